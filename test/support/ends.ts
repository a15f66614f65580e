/**
 * Preloaded into every test file: a file whose tests are over, and that does not end, is a failure that says what is left.
 * The runner itself waits for such a file for ever.
 */
import { after } from 'node:test';

/** What closes by itself is closed by then, ms. */
const graceMs = 60_000;

// The runner preloads it as well.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    const late = setTimeout(() => {
      const left = process
        .getActiveResourcesInfo()
        .filter((kind) => kind !== 'Timeout' && kind !== 'PipeWrap');
      process.stderr.write(`the tests of ${process.argv[1]} are over; what is left: ${left.join(', ')}\n`);
      process.exit(1);
    }, graceMs);
    late.unref();
  });
}
