// The client: one server, one credential; every request goes through `send`.
import { Batch, type Operation } from "./batch.js";
import { Entity } from "./entity.js";
import { LayeredMetas, Metas } from "./metas.js";
import { HedgerowError } from "./problem.js";
import type { AnySchema } from "./schema.js";

export interface Options {
  /** Where the server is, such as `https://api.example.com`. */
  url: string;
  /** An API key or a session token; without one the browser's cookie counts, or nobody asks. */
  token?: string;
  /** How often a request is sent again after a network error, 429 or 503; 3 by default. */
  retries?: number;
  fetch?: typeof fetch;
}

/** @internal */
export interface Request {
  method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  path: string;
  query?: readonly (readonly [string, string])[];
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/**
 * A Hedgerow server.
 *
 * A request that changes something carries an `Idempotency-Key`, so sending it again does it once; that is why every request is
 * repeated when the network fails or the server is busy.
 */
export class Hedgerow<S extends AnySchema = AnySchema> {
  private readonly url: string;
  private readonly token: string | undefined;
  private readonly retries: number;
  private readonly fetch: typeof fetch;

  constructor(options: Options) {
    this.url = options.url.replace(/\/+$/, "");
    this.token = options.token;
    this.retries = options.retries ?? 3;
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** The rows of an entity. */
  entity<E extends keyof S & string>(name: E): Entity<S, E> {
    return new Entity<S, E>(this, name);
  }

  /** The metadata of whoever asks; with an id what another user shows of theirs. */
  metas<M extends object = { [key: string]: unknown }>(): LayeredMetas<M>;
  metas<M extends object = { [key: string]: unknown }>(userId: string): Metas<M>;
  metas<M extends object>(userId = "me"): Metas<M> {
    return new LayeredMetas(this, `/api/v1/users/${encodeURIComponent(userId)}/metas`);
  }

  /** The metadata that all share, which administrators write. */
  globalMetas<M extends object = { [key: string]: unknown }>(): Metas<M> {
    return new Metas(this, "/api/v1/metas");
  }

  /**
   * Several writes as one: all are done or none.
   *
   * @example
   * const [project, task] = await hedgerow.batch((batch) => [
   *   batch.create("projects", { name: "Moon" }),
   *   batch.create("tasks", { title: "Rocket", projectId: ref(0) }),
   * ]);
   */
  async batch(make: (batch: Batch<S>) => readonly Operation[], options: { signal?: AbortSignal } = {}): Promise<unknown[]> {
    const operations = make(new Batch<S>());
    const answers = await this.json<{ body: unknown }[]>({
      method: "POST",
      path: "/api/v1/batch",
      body: { operations },
      signal: options.signal,
    });
    return answers.map((answer) => answer.body);
  }

  /** @internal */
  async json<T>(request: Request): Promise<T> {
    return (await (await this.send(request)).json()) as T;
  }

  /** @internal Sends a request, again where that is harmless, and throws what the server refuses. */
  async send(request: Request): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json", ...request.headers };
    if (this.token !== undefined) headers["authorization"] = `Bearer ${this.token}`;
    if (request.body !== undefined) headers["content-type"] = "application/json";
    if (request.method === "POST" || request.method === "PATCH") headers["idempotency-key"] ??= crypto.randomUUID();
    const query = new URLSearchParams((request.query ?? []).map(([name, value]) => [name, value]));
    const url = `${this.url}${request.path}${query.size > 0 ? `?${query}` : ""}`;
    const init: RequestInit = { method: request.method, headers, credentials: "include" };
    if (request.body !== undefined) init.body = JSON.stringify(request.body);
    if (request.signal) init.signal = request.signal;
    for (let attempt = 0; ; attempt += 1) {
      const isLast = attempt >= this.retries;
      let response: Response;
      try {
        response = await this.fetch(url, init);
      } catch (error) {
        if (isLast || request.signal?.aborted) throw error;
        await pause(250 * 2 ** attempt, request.signal);
        continue;
      }
      if (response.ok || response.status === 304) return response;
      // The answer to the first try was lost; that the row is gone is what was wanted.
      if (attempt > 0 && request.method === "DELETE" && response.status === 404) {
        return new Response(null, { status: 204, headers: response.headers });
      }
      const error = await HedgerowError.of(response);
      if (isLast || ![429, 503].includes(error.status)) throw error;
      await pause(error.retryAfter === undefined ? 250 * 2 ** attempt : error.retryAfter * 1000, request.signal);
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done, fail) => {
    const stop = () => {
      clearTimeout(timer);
      fail(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      done();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
