/**
 * A backend on port 80 that behaves as its first argument says:
 *
 * echo            sends back what it gets, and ends when the caller has ended
 * answer NAME     one line, `NAME`, for each line that it gets, and the end
 * after-end       reads until the caller's end, then says how many bytes that were
 * end-first       says a word and ends at once; goes on reading until the caller's end, and prints how many bytes came
 * transfer BYTES  sends so many bytes, reads as they come, and prints both digests
 *
 * Prints `listening` when it does. SIGTERM: takes no connection any more, finishes what it has, and ends. For that to be
 * true of connections that the kernel has accepted and the program has not, it needs NET_ADMIN.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { receive, send } from './bytes.ts';

const [behaviour = '', argument = ''] = process.argv.slice(2);

/** How long `answer` takes, ms: long enough that some requests are always under way. */
const answerMs = 20;

const behaviours: Readonly<Record<string, (socket: Socket) => Promise<unknown>>> = {
  echo: async (socket) => socket.pipe(socket),
  answer: async (socket) => {
    await once(socket, 'data');
    await delay(answerMs);
    socket.end(`${argument}\n`);
    await once(socket.resume(), 'end');
  },
  'after-end': async (socket) => {
    const { bytes } = await receive(socket);
    socket.end(`${bytes} bytes came`);
  },
  'end-first': async (socket) => {
    socket.end('goodbye');
    const { bytes } = await receive(socket);
    console.log(`${bytes} bytes came`);
  },
  transfer: async (socket) => {
    const [received, sent] = await Promise.all([receive(socket), send(socket, Number(argument))]);
    console.log(JSON.stringify({ received, sent }));
  },
};

const behave = behaviours[behaviour];
if (behave === undefined) throw new Error(`unknown behaviour "${behaviour}"`);

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', (error) => console.log(error.message));
  behave(socket).catch((thrown: unknown) => console.log(String(thrown)));
});
server.listen({ port: 80, host: '::' }, () => console.log('listening'));

/** Time for what has been let in to reach the program, ms. */
const lastAcceptMs = 100;

process.once('SIGTERM', async () => {
  // A listener that is closed resets the connections in its queue, so nobody may get into the queue before.
  execFileSync('iptables', '-I INPUT -p tcp --syn -j REJECT --reject-with tcp-reset'.split(' '));
  await delay(lastAcceptMs);
  server.close();
});
