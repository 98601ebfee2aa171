// Which rows: conditions on fields, typed by the row, written in PostgREST's grammar.

type Value = string | number | boolean;

/** One condition, alone or of several. */
export class Condition {
  /** @internal */
  constructor(
    private readonly place: string,
    private readonly operator: string,
    private readonly value: string | readonly Condition[],
    private readonly negated = false,
  ) {}

  /** The condition turned round. */
  not(): Condition {
    return new Condition(this.place, this.operator, this.value, !this.negated);
  }

  /** As a parameter of a URL: name and value. */
  parameter(): [string, string] {
    if (typeof this.value !== "string") return [`${this.negated ? "not." : ""}${this.operator}`, this.group(this.value)];
    return [this.place, `${this.negated ? "not." : ""}${this.operator}.${this.value}`];
  }

  /** As a part of a group. */
  private part(): string {
    const not = this.negated ? "not." : "";
    if (typeof this.value !== "string") return `${not}${this.operator}${this.group(this.value)}`;
    const isPlain = this.operator === "in" || this.operator === "is" || ["cs", "cd", "ov"].includes(this.operator);
    return `${this.place}.${not}${this.operator}.${isPlain ? this.value : quoted(this.value)}`;
  }

  private group(parts: readonly Condition[]): string {
    return `(${parts.map((part) => part.part()).join(",")})`;
  }
}

/** What stands between commas or in parentheses, in quotation marks where it would end something. */
function quoted(value: string): string {
  return /^[A-Za-z0-9_*%+@\/ -]+$/.test(value) && value === value.trim() ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

type Name<R> = keyof R & string;
type Given<R, K extends keyof R> = Exclude<R[K], null | undefined | readonly unknown[]> & Value;
type Item<R, K extends keyof R> = R[K] extends readonly (infer T)[] | null ? T & string : never;

/** Makes conditions on the fields of a row. */
export class Conditions<R> {
  eq = <K extends Name<R>>(field: K, value: Given<R, K>) => this.one(field, "eq", value);
  neq = <K extends Name<R>>(field: K, value: Given<R, K>) => this.one(field, "neq", value);
  gt = <K extends Name<R>>(field: K, value: Given<R, K>) => this.one(field, "gt", value);
  gte = <K extends Name<R>>(field: K, value: Given<R, K>) => this.one(field, "gte", value);
  lt = <K extends Name<R>>(field: K, value: Given<R, K>) => this.one(field, "lt", value);
  lte = <K extends Name<R>>(field: K, value: Given<R, K>) => this.one(field, "lte", value);
  /** `*` is any text. */
  like = (field: Name<R>, pattern: string) => this.one(field, "like", pattern);
  /** The same without regard to case. */
  ilike = (field: Name<R>, pattern: string) => this.one(field, "ilike", pattern);
  in = <K extends Name<R>>(field: K, values: readonly Given<R, K>[]) =>
    new Condition(field, "in", `(${values.map((value) => quoted(String(value))).join(",")})`);
  isNull = (field: Name<R>) => this.one(field, "is", "null");
  isTrue = (field: Name<R>) => this.one(field, "is", "true");
  isFalse = (field: Name<R>) => this.one(field, "is", "false");
  /** A list that has all of these. */
  contains = <K extends Name<R>>(field: K, values: readonly Item<R, K>[]) => this.list(field, "cs", values);
  /** A list that has one of these. */
  overlaps = <K extends Name<R>>(field: K, values: readonly Item<R, K>[]) => this.list(field, "ov", values);
  or = (...conditions: Condition[]) => new Condition("", "or", conditions);
  and = (...conditions: Condition[]) => new Condition("", "and", conditions);

  private one(field: string, operator: string, value: Value): Condition {
    return new Condition(field, operator, String(value));
  }

  private list(field: string, operator: string, values: readonly string[]): Condition {
    const items = values.map((value) => `"${value.replace(/[\\"]/g, "\\$&")}"`);
    return new Condition(field, operator, `{${items.join(",")}}`);
  }
}

/** Conditions that all hold: `(row) => [row.eq("status", "todo"), row.or(…)]`. */
export type Where<R> = (row: Conditions<R>) => Condition | readonly Condition[];

/** Their parameters. */
export function parameters<R>(where: Where<R> | undefined): [string, string][] {
  const all = where?.(new Conditions<R>()) ?? [];
  return (Array.isArray(all) ? all : [all]).map((condition: Condition) => condition.parameter());
}
