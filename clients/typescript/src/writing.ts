// What every write may say beside its body.
import type { Request } from "./client.js";

export interface WriteOptions {
  /** The version that the change is about (`versionOf` of a row): 412 where the row is another. */
  version?: string;
  /** Names the request, so that a repetition by another process does nothing; made anew when not given. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

/** @internal */
export function written(options: WriteOptions): Omit<Request, "method" | "path"> {
  const headers: Record<string, string> = {};
  if (options.version !== undefined) headers["if-match"] = options.version;
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
  return { headers, signal: options.signal };
}
