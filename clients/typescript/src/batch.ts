// Several writes in one transaction.
import type { AnySchema, Insert, Update } from "./schema.js";

/** One write of a batch, as the server reads it. */
export interface Operation {
  method: "POST" | "PATCH" | "PUT" | "DELETE";
  path: string;
  body?: unknown;
}

/** The id of the row that an operation before this one made, counted from 0; for a relation. */
export function ref(operation: number): string {
  // Typed as what it stands for; the server puts the id in its place.
  return { $ref: `${operation}.id` } as unknown as string;
}

/** Makes the operations of a batch. */
export class Batch<S extends AnySchema> {
  create<E extends keyof S & string>(entity: E, row: Insert<S, E>): Operation {
    return { method: "POST", path: path(entity), body: row };
  }

  update<E extends keyof S & string>(entity: E, id: string, change: Update<S, E>): Operation {
    return { method: "PATCH", path: path(entity, id), body: change };
  }

  replace<E extends keyof S & string>(entity: E, id: string, row: Insert<S, E>): Operation {
    return { method: "PUT", path: path(entity, id), body: row };
  }

  delete<E extends keyof S & string>(entity: E, id: string): Operation {
    return { method: "DELETE", path: path(entity, id) };
  }
}

function path(...segments: string[]): string {
  return `/api/v1/${segments.map(encodeURIComponent).join("/")}`;
}
