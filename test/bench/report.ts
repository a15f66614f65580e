/** Makes the chart and the documents' tables anew from docs/benchmarks/latest.json: `scripts/bench report`. */
import { publish, readPublished } from './report/blocks.ts';

await publish(await readPublished());
