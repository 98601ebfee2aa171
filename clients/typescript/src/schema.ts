// What the types of `hedgerow types` look like, so that they can be named without being known.

/** The entities of an application by their names: `Schema` of `hedgerow types`. */
export type AnySchema = { [entity: string]: AnyEntity };

type AnyEntity = { Row: object; Insert: object; Update: object; Metas?: object };

export type Row<S extends AnySchema, E extends keyof S> = S[E]["Row"];
export type Insert<S extends AnySchema, E extends keyof S> = S[E]["Insert"];
export type Update<S extends AnySchema, E extends keyof S> = S[E]["Update"];

/** The metadata of an entity's rows: its declared keys; any where the types say nothing. */
export type Metas<S extends AnySchema, E extends keyof S> = S[E] extends { Metas: infer M extends object }
  ? M
  : { [key: string]: unknown };
