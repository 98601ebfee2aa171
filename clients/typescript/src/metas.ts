// Metadata: of a user, of a row, of all. They differ in their path, and in that a row's and the caller's are read merged with what
// lies behind, too.
import type { Hedgerow } from "./client.js";
import { type WriteOptions, written } from "./writing.js";
import { versioned } from "./version.js";

/** One key with its value, its type and its flags. */
export interface Meta<T = unknown> {
  key: string;
  value: T;
  dataType: DataType;
  /** Whether whoever may read the row may read it. */
  isPublic: boolean;
  /** Whether rows are found and ordered by it. */
  isSearchable: boolean;
  createdAt: string;
  updatedAt: string;
}

export type DataType = "text" | "string" | "number" | "boolean" | "json" | "date" | "datetime";

/** A value and the nearest level that it comes from. */
export interface Merged<T = unknown> {
  value: T;
  level: Level;
  /** All levels that the value has something of, where several were merged. */
  levels?: Level[];
}

export type Level = "user" | "entity" | "global" | "default";

/** Which keys, and how long to wait. */
export interface MetasOptions<K> {
  keys?: readonly K[];
  signal?: AbortSignal;
}

/** What of a meta is set beside its value; what is not said stays as it was. */
export interface SetOptions extends WriteOptions {
  dataType?: DataType;
  isPublic?: boolean;
  isSearchable?: boolean;
  /** Only where the key is new: 412 where it is not. */
  isNew?: boolean;
}

/** A change of several keys: null deletes one. */
export type Change<M> = { [K in keyof M]?: M[K] | null };

/** Keys and values. */
export class Metas<M extends object = { [key: string]: unknown }> {
  /** @internal */
  constructor(
    protected readonly client: Pick<Hedgerow, "json" | "send">,
    protected readonly path: string,
  ) {}

  /** All keys, or these. */
  async all(options: MetasOptions<keyof M & string> = {}): Promise<Partial<M>> {
    return this.client.json({ method: "GET", path: this.path, query: keys(options.keys), signal: options.signal });
  }

  async get<K extends keyof M & string>(key: K, options: { signal?: AbortSignal } = {}): Promise<Meta<NonNullable<M[K]>>> {
    return versioned(await this.client.send({ method: "GET", path: this.at(key), signal: options.signal }));
  }

  /** Changes several keys, all or none; null deletes one. All that there is then comes back. */
  async change(change: Change<M>, options: Omit<WriteOptions, "version"> = {}): Promise<Partial<M>> {
    return this.client.json({ method: "PATCH", path: this.path, body: change, ...written(options) });
  }

  /** Sets one key; done once, however often it is sent. */
  async set<K extends keyof M & string>(
    key: K,
    value: NonNullable<M[K]>,
    options: SetOptions = {},
  ): Promise<Meta<NonNullable<M[K]>>> {
    const { dataType, isPublic, isSearchable, isNew, ...others } = options;
    const asked = written(others);
    const body = { value, dataType, isPublic, isSearchable };
    const headers: Record<string, string> = { "idempotency-key": crypto.randomUUID(), ...asked.headers };
    if (isNew === true) headers["if-none-match"] = "*";
    return versioned(await this.client.send({ method: "PUT", path: this.at(key), body, ...asked, headers }));
  }

  async delete(key: keyof M & string, options: Omit<WriteOptions, "idempotencyKey"> = {}): Promise<void> {
    await this.client.send({ method: "DELETE", path: this.at(key), ...written(options) });
  }

  private at(key: string): string {
    return `${this.path}/${encodeURIComponent(key)}`;
  }
}

/** The metadata of a row, or of the caller. */
export class LayeredMetas<M extends object = { [key: string]: unknown }> extends Metas<M> {
  /**
   * What whoever asks meets at the row, or anywhere: their own before the row's, then what all share, then what is declared
   * (of the caller's that is what is declared for users and for all: feature flags).
   */
  async merged<K extends keyof M & string>(
    options: MetasOptions<K> & { depth?: "shallow" | "deep" } = {},
  ): Promise<{ [Key in keyof M]?: Merged<NonNullable<M[Key]>> }> {
    const query: [string, string][] = [["merged", "true"], ...keys(options.keys)];
    if (options.depth !== undefined) query.push(["merge", options.depth]);
    return this.client.json({ method: "GET", path: this.path, query, signal: options.signal });
  }
}

function keys(names: readonly string[] | undefined): [string, string][] {
  const quoted = names?.map((name) => `"${name.replace(/["\\]/g, "\\$&")}"`);
  return quoted === undefined ? [] : [["keys", quoted.join(",")]];
}
