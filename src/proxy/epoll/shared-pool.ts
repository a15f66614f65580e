import { type PoolOptions, WorkerPool } from './pool.ts';

/** A share in the pool; `giveBack` once. */
export interface PoolShare {
  readonly pool: WorkerPool;
  giveBack(): Promise<void>;
}

let current: { readonly pool: Promise<WorkerPool>; users: number } | undefined;

/**
 * The worker threads of this process. A data plane a port would otherwise be a set of threads a port: the first one
 * makes them, by its options, and the last one to give its share back ends them.
 *
 * @throws what `WorkerPool.start` throws
 */
export async function sharePool(options: PoolOptions): Promise<PoolShare> {
  current ??= { pool: WorkerPool.start(options), users: 0 };
  const shared = current;
  shared.users++;
  const leave = () => {
    shared.users--;
    if (shared.users === 0 && current === shared) current = undefined;
    return shared.users === 0;
  };
  try {
    const pool = await shared.pool;
    return {
      pool,
      async giveBack() {
        if (leave()) await pool.end();
      },
    };
  } catch (thrown) {
    leave();
    throw thrown;
  }
}
