// What went wrong, as the server says it (RFC 9457).

/** One mistake in what was sent. */
export interface Mistake {
  /** The parameter or field; `[2].title` in the third row of an array. */
  field: string;
  /** Stable, for programs. */
  code: string;
  /** A sentence, for people. */
  message: string;
}

/** The server's refusal, or an answer that is none of Hedgerow's: then `code` is `no_problem_document`. */
export class HedgerowError extends Error {
  override readonly name = "HedgerowError";
  /** The HTTP status. */
  readonly status: number;
  /** Stable, for programs, such as `missing_scope`. */
  readonly code: string;
  readonly hint: string | undefined;
  /** Each mistake in what was sent. */
  readonly errors: readonly Mistake[];
  /** Names the request in the server's log. */
  readonly requestId: string | undefined;
  /** Seconds after which asking again makes sense. */
  readonly retryAfter: number | undefined;

  private constructor(status: number, document: Record<string, unknown>, headers: Headers) {
    const text = (name: string) => (typeof document[name] === "string" ? document[name] : undefined);
    super(text("message") ?? `the server answered ${status}`);
    this.status = status;
    this.code = text("code") ?? "no_problem_document";
    this.hint = text("hint");
    this.errors = Array.isArray(document["errors"]) ? (document["errors"] as Mistake[]) : [];
    this.requestId = headers.get("x-request-id") ?? undefined;
    const wait = Number(headers.get("retry-after") ?? Number.NaN);
    this.retryAfter = Number.isFinite(wait) ? wait : undefined;
  }

  static async of(response: Response): Promise<HedgerowError> {
    let document: unknown;
    try {
      document = JSON.parse(await response.text());
    } catch {
      // A proxy's page: the status is all there is.
    }
    const members = document !== null && typeof document === "object" ? document : {};
    return new HedgerowError(response.status, members as Record<string, unknown>, response.headers);
  }
}
