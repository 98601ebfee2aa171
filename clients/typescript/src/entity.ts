// The rows of one entity: reading, walking, writing.
import type { Hedgerow, Request } from "./client.js";
import { parameters, type Where } from "./conditions.js";
import { LayeredMetas } from "./metas.js";
import type { AnySchema, Insert, Metas, Row, Update } from "./schema.js";
import { versioned } from "./version.js";
import { type WriteOptions, written } from "./writing.js";

export interface ListOptions<R, K extends keyof R & string = keyof R & string> {
  where?: Where<R>;
  /** Words to look for in the searchable fields. */
  search?: string;
  /** The fields that rows show; `embed` adds rows of relations. */
  select?: readonly K[];
  /** Rows of relations, such as `project:projects(id,name)`; their types are yours to name. */
  embed?: string;
  /** Such as `due.desc.nullslast,title`. */
  order?: string;
  limit?: number;
  /** Counts all rows that fit; they are in `total`. */
  count?: "exact" | "planned" | "estimated";
  signal?: AbortSignal;
}

/** Some rows, and the way to those behind and before them. */
export interface Page<T> {
  rows: T[];
  /** How many there are, where `count` was asked for. */
  total: number | undefined;
  next: (() => Promise<Page<T>>) | undefined;
  previous: (() => Promise<Page<T>>) | undefined;
}

/** The rows of an entity, as whoever asks may see and change them. */
export class Entity<S extends AnySchema, E extends keyof S & string> {
  private readonly path: string;

  /** @internal */
  constructor(
    private readonly client: Hedgerow<S>,
    name: E,
  ) {
    this.path = `/api/v1/${encodeURIComponent(name)}`;
  }

  /** One page of rows. */
  async list<K extends keyof Row<S, E> & string>(options: ListOptions<Row<S, E>, K> = {}): Promise<Page<Pick<Row<S, E>, K>>> {
    return this.page<Pick<Row<S, E>, K>>({ method: "GET", path: this.path, ...query(options) });
  }

  /** All rows, a page at a time. Rows that come and go meanwhile neither repeat nor hide others. */
  async *walk<K extends keyof Row<S, E> & string>(
    options: ListOptions<Row<S, E>, K> = {},
  ): AsyncGenerator<Pick<Row<S, E>, K>, void, undefined> {
    for (let page = await this.list(options); ; page = await page.next()) {
      yield* page.rows;
      if (page.next === undefined) return;
    }
  }

  /** All rows in one request, as they arrive; without `limit` there is no limit. */
  async *stream<K extends keyof Row<S, E> & string>(
    options: ListOptions<Row<S, E>, K> = {},
  ): AsyncGenerator<Pick<Row<S, E>, K>, void, undefined> {
    const asked = query(options);
    const headers = { ...asked.headers, accept: "application/x-ndjson" };
    const response = await this.client.send({ method: "GET", path: this.path, ...asked, headers });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        const lines = (rest + part.value).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") yield JSON.parse(line);
      }
      if (rest !== "") yield JSON.parse(rest);
    } finally {
      await reader?.cancel();
    }
  }

  async get<K extends keyof Row<S, E> & string>(
    id: string,
    options: Pick<ListOptions<Row<S, E>, K>, "select" | "embed" | "signal"> = {},
  ): Promise<Pick<Row<S, E>, K>> {
    return this.row({ method: "GET", path: this.at(id), ...query(options) });
  }

  async create(row: Insert<S, E>, options: WriteOptions = {}): Promise<Row<S, E>> {
    return this.row({ method: "POST", path: this.path, body: row, ...written(options) });
  }

  /** All or none. */
  async createMany(rows: readonly Insert<S, E>[], options: WriteOptions = {}): Promise<Row<S, E>[]> {
    return this.client.json({ method: "POST", path: this.path, body: rows, ...written(options) });
  }

  /** Makes rows, or changes those that are there already by these fields. */
  async upsert(
    rows: readonly Insert<S, E>[],
    options: WriteOptions & { on: readonly (keyof Row<S, E> & string)[]; existing?: "merge" | "ignore" },
  ): Promise<Row<S, E>[]> {
    const asked = written(options);
    const prefer = `resolution=${options.existing ?? "merge"}-duplicates, return=representation`;
    return this.client.json({
      method: "POST",
      path: this.path,
      body: rows,
      ...asked,
      query: [["on_conflict", options.on.join(",")]],
      headers: { ...asked.headers, prefer },
    });
  }

  /** Changes a row: fields that are not named stay. */
  async update(id: string, change: Update<S, E>, options: WriteOptions = {}): Promise<Row<S, E>> {
    return this.row({ method: "PATCH", path: this.at(id), body: change, ...written(options) });
  }

  /** Changes all rows that fit. */
  async updateMany(where: Where<Row<S, E>>, change: Update<S, E>, options: WriteOptions = {}): Promise<Row<S, E>[]> {
    return this.client.json({
      method: "PATCH",
      path: this.path,
      query: parameters(where),
      body: change,
      ...written(options),
    });
  }

  /** Replaces a row: fields that are not named return to their default. */
  async replace(id: string, row: Insert<S, E>, options: Omit<WriteOptions, "idempotencyKey"> = {}): Promise<Row<S, E>> {
    return this.row({ method: "PUT", path: this.at(id), body: row, ...written(options) });
  }

  async delete(id: string, options: Omit<WriteOptions, "idempotencyKey"> = {}): Promise<void> {
    await this.client.send({ method: "DELETE", path: this.at(id), ...written(options) });
  }

  /** Deletes all rows that fit. */
  async deleteMany(where: Where<Row<S, E>>, options: Pick<WriteOptions, "signal"> = {}): Promise<Row<S, E>[]> {
    return this.client.json({ method: "DELETE", path: this.path, query: parameters(where), signal: options.signal });
  }

  /** The metadata of a row. */
  metas(id: string): LayeredMetas<Metas<S, E>> {
    return new LayeredMetas(this.client, `${this.at(id)}/metas`);
  }

  private at(id: string): string {
    return `${this.path}/${encodeURIComponent(id)}`;
  }

  private async row<T extends object>(request: Request): Promise<T> {
    return versioned(await this.client.send(request));
  }

  private async page<T>(request: Request): Promise<Page<T>> {
    const response = await this.client.send(request);
    const rows = (await response.json()) as T[];
    const total = Number(response.headers.get("content-range")?.split("/")[1] ?? Number.NaN);
    const links = response.headers.get("link") ?? "";
    const to = (relation: string) => {
      const path = links.match(new RegExp(`<([^>]*)>; rel="${relation}"`))?.[1];
      if (path === undefined) return undefined;
      const { headers, signal } = request;
      return () => this.page<T>({ method: "GET", path, ...(headers && { headers }), signal });
    };
    return { rows, total: Number.isNaN(total) ? undefined : total, next: to("next"), previous: to("prev") };
  }
}

type Query<R> = Omit<ListOptions<R>, "select"> & { select?: readonly string[] };

function query<R>(options: Query<R>): Omit<Request, "method" | "path"> {
  const pairs = parameters(options.where);
  const select = [...(options.select ?? (options.embed === undefined ? [] : ["*"]))];
  if (options.embed !== undefined) select.push(options.embed);
  if (select.length > 0) pairs.push(["select", select.join(",")]);
  if (options.search !== undefined) pairs.push(["search", options.search]);
  if (options.order !== undefined) pairs.push(["order", options.order]);
  if (options.limit !== undefined) pairs.push(["limit", String(options.limit)]);
  const headers: Record<string, string> = options.count === undefined ? {} : { prefer: `count=${options.count}` };
  return { query: pairs, headers, signal: options.signal };
}
