/** Bytes of a frame's head: the stream (1 stdout, 2 stderr), three zeros, the length of what follows. */
const headBytes = 8;

/**
 * What a container has written, from the frames in which the engine sends it. A frame that is cut short counts as far as
 * it goes.
 *
 * Source: Docker Engine API 1.41, ContainerAttach, "Stream format"
 */
export function readFrames(bytes: Buffer): { readonly stdout: string; readonly stderr: string } {
  const streams: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  for (let at = 0; at + headBytes <= bytes.length; ) {
    const from = at + headBytes;
    const to = from + bytes.readUInt32BE(at + 4);
    streams[bytes[at] === 2 ? 'stderr' : 'stdout'].push(bytes.subarray(from, to));
    at = to;
  }
  return {
    stdout: Buffer.concat(streams.stdout).toString('utf8'),
    stderr: Buffer.concat(streams.stderr).toString('utf8'),
  };
}
