// Rows of a Hedgerow server, typed by what `hedgerow types` writes. No dependencies: it needs `fetch` and `crypto`.
export { Batch, ref, type Operation } from "./batch.js";
export { Hedgerow, type Options } from "./client.js";
export { Condition, Conditions, type Where } from "./conditions.js";
export { Entity, type ListOptions, type Page } from "./entity.js";
export {
  LayeredMetas,
  Metas,
  type Change,
  type DataType,
  type Level,
  type Merged,
  type Meta,
  type MetasOptions,
  type SetOptions,
} from "./metas.js";
export { HedgerowError, type Mistake } from "./problem.js";
export type { AnySchema, Insert, Row, Update } from "./schema.js";
export { versionOf } from "./version.js";
export type { WriteOptions } from "./writing.js";
