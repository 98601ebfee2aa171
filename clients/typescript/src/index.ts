// Rows of a Hedgerow server, typed by what `hedgerow types` writes. No dependencies: it needs `fetch` and `crypto`.
export { Batch, ref, type Operation } from "./batch.js";
export { Hedgerow, type Options } from "./client.js";
export { Condition, Conditions, type Where } from "./conditions.js";
export { Entity, versionOf, type ListOptions, type Page, type WriteOptions } from "./entity.js";
export { HedgerowError, type Mistake } from "./problem.js";
export type { AnySchema, Insert, Row, Update } from "./schema.js";
