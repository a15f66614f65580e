/** A worker thread of the data plane: makes its loop and runs it until it is told to end. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { loadEpoll, loadWakeUp } from '../../sys/epoll.ts';
import { loadPipes } from '../../sys/pipes.ts';
import { loadSockets } from '../../sys/sockets.ts';
import { tidyHeap } from '../../sys/tidy-heap.ts';
import { makeKernel } from './kernel.ts';
import { Ledger } from './ledger.ts';
import { Loop } from './loop.ts';
import type { FromWorker, ToWorker, WorkerBirth } from './messages.ts';

/** Events that one wait brings. */
const mostEvents = 512;

const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread');
const birth = workerData as WorkerBirth;
const ledger = new Ledger(birth.ledger, birth.thread);
const epoll = await loadEpoll(mostEvents);
ledger.opened(epoll.fd);
const kernel = makeKernel({ sockets: await loadSockets(), pipes: await loadPipes(), epoll, ledger });
const loop = new Loop({
  thread: birth.thread,
  kernel,
  epoll,
  wakeUp: await loadWakeUp(birth.wakeUp),
  maxPipes: birth.maxPipes,
  receive: () => (receiveMessageOnPort(port) as { message: ToWorker } | undefined)?.message,
  post: (message: FromWorker) => port.postMessage(message),
  now: () => performance.now(),
});
// The loop never returns to the thread's own, so V8 would not find the time for it.
tidyHeap();
port.postMessage({ kind: 'ready' } satisfies FromWorker);
loop.run();
kernel.close(epoll.fd);
port.close();
