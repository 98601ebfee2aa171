// Every common operation of `@supabase/postgrest-js`, against a Hedgerow server: HEDGEROW_URL ends in /api/v1, HEDGEROW_KEY is an API
// key. Its entities are those of `entities/`. What the client has and we leave out: `rpc`, `explain`, `schema`, `geojson`.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { PostgrestClient, PostgrestError } from "@supabase/postgrest-js";

const url = process.env.HEDGEROW_URL;
const headers = { authorization: `Bearer ${process.env.HEDGEROW_KEY}` };
const client = new PostgrestClient(url, { headers });
const tasks = () => client.from("tasks");

/** The data of an answer that is a good one. */
async function good(query) {
  const { data, error, status } = await query;
  assert.equal(error, null, `${status}: ${JSON.stringify(error)}`);
  return data;
}
const titles = async (query) => (await good(query)).map((row) => row.title);

let moon;
let mars;
let urgent;
let later;

before(async () => {
  [moon, mars] = await good(client.from("projects").insert([{ name: "Moon", code: "moon" }, { name: "Mars", code: "mars" }]).select());
  [urgent, later] = await good(client.from("labels").insert([{ name: "urgent" }, { name: "later" }]).select());
  await good(
    tasks().insert([
      { title: "alpha", priority: 1, status: "todo", due: "2026-01-01", tags: ["a", "b"], project: moon.id, labels: [urgent.id], body: "The fat cat sat", data: { size: 1, note: { deep: "x" } } },
      { title: "beta", priority: 2, status: "doing", due: "2026-02-01", tags: ["b", "c"], project: moon.id, labels: [urgent.id, later.id], body: "A thin dog ran" },
      { title: "gamma", priority: 3, status: "done", done: true, tags: ["c"], project: mars.id, body: "fat and thin", data: { size: 3 } },
      { title: "delta, with commas", priority: 4, status: "done", done: true },
    ]),
  );
});

test("select everything, and some columns", async () => {
  assert.equal((await good(tasks().select())).length, 4);
  const [row] = await good(tasks().select("id, title").eq("title", "alpha"));
  assert.deepEqual(Object.keys(row), ["id", "title"]);
  assert.deepEqual(await good(tasks().select("what:title").eq("title", "alpha")), [{ what: "alpha" }]);
  assert.deepEqual(await good(tasks().select("priority::text").eq("title", "alpha")), [{ priority: "1" }]);
  assert.deepEqual(await good(tasks().select("size:data->size, deep:data->note->>deep").eq("title", "alpha")), [{ size: 1, deep: "x" }]);
});

test("filters", async () => {
  const cases = {
    eq: [(q) => q.eq("title", "alpha"), ["alpha"]],
    neq: [(q) => q.neq("status", "done"), ["alpha", "beta"]],
    gt: [(q) => q.gt("priority", 2), ["gamma", "delta, with commas"]],
    gte: [(q) => q.gte("priority", 3), ["gamma", "delta, with commas"]],
    lt: [(q) => q.lt("priority", 2), ["alpha"]],
    lte: [(q) => q.lte("due", "2026-01-01"), ["alpha"]],
    like: [(q) => q.like("title", "%a"), ["alpha", "beta", "gamma"]],
    ilike: [(q) => q.ilike("title", "ALP%"), ["alpha"]],
    likeAllOf: [(q) => q.likeAllOf("title", ["%a", "b%"]), ["beta"]],
    likeAnyOf: [(q) => q.likeAnyOf("title", ["al%", "be%"]), ["alpha", "beta"]],
    ilikeAllOf: [(q) => q.ilikeAllOf("title", ["%A", "B%"]), ["beta"]],
    ilikeAnyOf: [(q) => q.ilikeAnyOf("title", ["AL%", "BE%"]), ["alpha", "beta"]],
    isNull: [(q) => q.is("project", null), ["delta, with commas"]],
    isTrue: [(q) => q.is("done", true), ["gamma", "delta, with commas"]],
    isDistinct: [(q) => q.isDistinct("due", "2026-01-01"), ["beta", "gamma", "delta, with commas"]],
    in: [(q) => q.in("title", ["alpha", "delta, with commas"]), ["alpha", "delta, with commas"]],
    notIn: [(q) => q.notIn("title", ["alpha", "delta, with commas"]), ["beta", "gamma"]],
    contains: [(q) => q.contains("tags", ["b"]), ["alpha", "beta"]],
    containsJson: [(q) => q.contains("data", { size: 3 }), ["gamma"]],
    containedBy: [(q) => q.containedBy("tags", ["b", "c", "d"]), ["beta", "gamma"]],
    overlaps: [(q) => q.overlaps("tags", ["a", "c"]), ["alpha", "beta", "gamma"]],
    textSearch: [(q) => q.textSearch("body", "fat & cat"), ["alpha"]],
    textSearchConfig: [(q) => q.textSearch("body", "fat & cats", { config: "english" }), ["alpha"]],
    textSearchPlain: [(q) => q.textSearch("body", "thin dog", { type: "plain" }), ["beta"]],
    textSearchPhrase: [(q) => q.textSearch("body", "fat cat", { type: "phrase" }), ["alpha"]],
    textSearchWeb: [(q) => q.textSearch("body", "fat -cat", { type: "websearch" }), ["gamma"]],
    match: [(q) => q.match({ status: "done", priority: 3 }), ["gamma"]],
    not: [(q) => q.not("status", "eq", "done"), ["alpha", "beta"]],
    notIs: [(q) => q.not("due", "is", null), ["alpha", "beta"]],
    or: [(q) => q.or("title.eq.alpha,and(status.eq.done,priority.gt.3)"), ["alpha", "delta, with commas"]],
    orQuoted: [(q) => q.or('title.eq."delta, with commas",title.in.(beta,gamma)'), ["beta", "gamma", "delta, with commas"]],
    filter: [(q) => q.filter("title", "in", '("alpha","beta")'), ["alpha", "beta"]],
    jsonPath: [(q) => q.eq("data->>size", "3"), ["gamma"]],
    jsonDeep: [(q) => q.eq("data->note->>deep", "x"), ["alpha"]],
  };
  const wrong = [];
  for (const [name, [narrow, expected]] of Object.entries(cases)) {
    const { data, error } = await narrow(tasks().select("title")).order("priority");
    const found = error ? `${error.code}: ${error.message}` : data.map((row) => row.title);
    try {
      assert.deepEqual(found, expected);
    } catch {
      wrong.push(`${name}: ${JSON.stringify(found)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("regular expressions are off unless they are switched on", async () => {
  const { error, status } = await tasks().select().regexMatch("title", "^a");
  assert.deepEqual([status, error.code], [400, "unsupported_operator"]);
});

test("order, limit and range", async () => {
  assert.deepEqual(await titles(tasks().select("title").order("priority", { ascending: false }).limit(2)), ["delta, with commas", "gamma"]);
  assert.deepEqual(await titles(tasks().select("title").order("due", { nullsFirst: true }).order("priority").limit(1)), ["gamma"]);
  assert.deepEqual(await titles(tasks().select("title").order("priority").range(1, 2)), ["beta", "gamma"]);
  assert.deepEqual(await titles(tasks().select("title").order("data->size", { nullsFirst: false }).limit(1)), ["alpha"]);
});

test("single and maybeSingle", async () => {
  assert.equal((await good(tasks().select().eq("title", "alpha").single())).priority, 1);
  assert.equal(await good(tasks().select().eq("title", "nothing").maybeSingle()), null);
  const none = await tasks().select().eq("title", "nothing").single();
  assert.equal(none.status, 406);
  assert.equal(none.error.code, "PGRST116");
  assert.equal((await tasks().select().single()).status, 406);
});

test("counting, with and without rows", async () => {
  for (const count of ["exact", "planned", "estimated"]) {
    const answer = await tasks().select("*", { count, head: true });
    assert.deepEqual([answer.error, answer.count, answer.data], [null, 4, null], count);
  }
  const some = await tasks().select("title", { count: "exact" }).limit(1);
  assert.deepEqual([some.count, some.data.length, some.status], [4, 1, 206]);
});

test("CSV", async () => {
  const text = await good(tasks().select("title,priority").order("priority").csv());
  assert.deepEqual(text.trim().split(/\r?\n/), ["title,priority", "alpha,1", "beta,2", "gamma,3", '"delta, with commas",4']);
});

test("insert one, many, with and without what was inserted", async () => {
  const plain = await client.from("labels").insert({ name: "one" });
  assert.deepEqual([plain.error, plain.status], [null, 201]);
  assert.deepEqual(await good(client.from("labels").insert([{ name: "two" }, { name: "three" }]).select("name")), [{ name: "two" }, { name: "three" }]);
  assert.equal((await good(client.from("labels").insert({ name: "four" }).select().single())).name, "four");
  const rows = await good(tasks().insert([{ title: "p1", priority: 9 }, { title: "p2" }], { defaultToNull: false }).select("title,status,priority"));
  assert.deepEqual(rows, [{ title: "p1", status: "todo", priority: 9 }, { title: "p2", status: "todo", priority: null }]);
  const counted = await client.from("labels").insert([{ name: "five" }, { name: "six" }], { count: "exact" }).select();
  assert.equal(counted.count, 2);
  await good(tasks().delete().in("title", ["p1", "p2"]));
  await good(client.from("labels").delete().in("name", ["one", "two", "three", "four", "five", "six"]));
});

test("a mistake has the members that the client reads", async () => {
  const { error, status, data } = await tasks().insert({ titel: "x" }).select();
  assert.deepEqual([status, data], [400, null]);
  assert.equal(typeof error.message, "string");
  assert.equal(typeof error.code, "string");
  const taken = await client.from("labels").insert({ name: "urgent" });
  assert.equal(taken.status, 409);
});

test("upsert", async () => {
  const projects = () => client.from("projects");
  const [merged] = await good(projects().upsert({ name: "The Moon", code: "moon" }, { onConflict: "code" }).select());
  assert.deepEqual([merged.id, merged.name], [moon.id, "The Moon"]);
  const [byId] = await good(projects().upsert({ id: moon.id, name: "Moon", code: "moon" }).select());
  assert.deepEqual([byId.id, byId.name], [moon.id, "Moon"]);
  const ignored = await good(
    projects().upsert([{ name: "Other", code: "moon" }, { name: "Venus", code: "venus" }], { onConflict: "code", ignoreDuplicates: true }).select("name"),
  );
  assert.deepEqual(ignored, [{ name: "Venus" }]);
  const one = await good(projects().upsert({ name: "Venus!", code: "venus" }, { onConflict: "code" }).select().single());
  assert.equal(one.name, "Venus!");
  await good(projects().delete().eq("code", "venus"));
});

test("update", async () => {
  const plain = await tasks().update({ body: "new" }).eq("title", "alpha");
  assert.equal(plain.error, null);
  assert.deepEqual(await good(tasks().update({ body: "The fat cat sat" }).eq("title", "alpha").select("title,body")), [{ title: "alpha", body: "The fat cat sat" }]);
  assert.equal((await good(tasks().update({ done: false }).eq("title", "alpha").select().single())).title, "alpha");
  assert.deepEqual(await good(tasks().update({ done: false }).eq("title", "nothing").select()), []);
  const counted = await tasks().update({ done: true }, { count: "exact" }).eq("status", "done");
  assert.equal(counted.count, 2);
});

test("delete", async () => {
  await good(client.from("labels").insert([{ name: "gone 1" }, { name: "gone 2" }, { name: "gone 3" }]));
  assert.equal((await client.from("labels").delete().eq("name", "gone 1")).error, null);
  assert.deepEqual(await good(client.from("labels").delete().eq("name", "gone 2").select("name")), [{ name: "gone 2" }]);
  assert.equal((await client.from("labels").delete({ count: "exact" }).eq("name", "gone 3")).count, 1);
});

test("at most so many rows change", async () => {
  const many = await tasks().update({ body: "x" }).eq("status", "done").maxAffected(1);
  assert.equal(many.status, 400);
  assert.deepEqual(await good(tasks().select("title").eq("body", "x")), []);
  await good(tasks().update({ priority: 3 }).eq("title", "gamma").maxAffected(1));
});

test("a trial run changes nothing", async () => {
  const [row] = await good(tasks().update({ title: "tried" }).eq("title", "alpha").select().rollback());
  assert.equal(row.title, "tried");
  assert.deepEqual(await titles(tasks().select("title").eq("title", "tried")), []);
});

test("rows of relations: to one, to many, many to many", async () => {
  const [one] = await good(tasks().select("title, project:projects(name)").eq("title", "alpha"));
  assert.deepEqual(one, { title: "alpha", project: { name: "Moon" } });
  const [named] = await good(tasks().select("title, projects(name)").eq("title", "gamma"));
  assert.deepEqual(named, { title: "gamma", projects: { name: "Mars" } });
  const [hinted] = await good(tasks().select("title, place:projects!project(name)").eq("title", "gamma"));
  assert.deepEqual(hinted, { title: "gamma", place: { name: "Mars" } });
  const [none] = await good(tasks().select("projects(name)").is("project", null));
  assert.deepEqual(none, { projects: null });
  const many = await good(client.from("projects").select("name, tasks(title)").eq("code", "moon"));
  assert.deepEqual(many[0].tasks.map((task) => task.title).sort(), ["alpha", "beta"]);
  const [labelled] = await good(tasks().select("title, labels(name)").eq("title", "beta"));
  assert.deepEqual(labelled.labels.map((label) => label.name).sort(), ["later", "urgent"]);
  const [back] = await good(client.from("labels").select("name, tasks(title)").eq("name", "urgent"));
  assert.deepEqual(back.tasks.map((task) => task.title).sort(), ["alpha", "beta"]);
  const [deep] = await good(client.from("projects").select("name, tasks(title, labels(name))").eq("code", "moon").order("title", { referencedTable: "tasks" }));
  assert.deepEqual(deep.tasks[0], { title: "alpha", labels: [{ name: "urgent" }] });
});

test("conditions, order and limit inside a relation", async () => {
  const [filtered] = await good(client.from("projects").select("name, tasks(title)").eq("code", "moon").eq("tasks.status", "doing"));
  assert.deepEqual(filtered.tasks, [{ title: "beta" }]);
  const [limited] = await good(
    client.from("projects").select("name, tasks(title)").eq("code", "moon").order("priority", { referencedTable: "tasks", ascending: false }).limit(1, { referencedTable: "tasks" }),
  );
  assert.deepEqual(limited.tasks, [{ title: "beta" }]);
  const [either] = await good(
    client.from("projects").select("name, tasks(title)").eq("code", "moon").or("title.eq.alpha,title.eq.gamma", { referencedTable: "tasks" }),
  );
  assert.deepEqual(either.tasks, [{ title: "alpha" }]);
  assert.deepEqual(await titles(tasks().select("title, projects!inner(name)").eq("projects.name", "Mars")), ["gamma"]);
  const parents = await good(client.from("projects").select("code, tasks!inner(title)").eq("tasks.status", "done"));
  assert.deepEqual(parents.map((row) => row.code), ["mars"]);
  assert.deepEqual(await titles(tasks().select("title, projects(name)").order("projects(name)").order("priority").limit(1)), ["gamma"]);
  const [spread] = await good(tasks().select("title, ...projects(place:name)").eq("title", "alpha"));
  assert.deepEqual(spread, { title: "alpha", place: "Moon" });
});

test("aggregates", async () => {
  assert.deepEqual(await good(tasks().select("count()")), [{ count: 4 }]);
  const grouped = await good(tasks().select("done, most:priority.max(), priority.sum()").order("done"));
  assert.deepEqual(grouped, [{ done: false, most: 2, sum: 3 }, { done: true, most: 4, sum: 7 }]);
});

test("what was inserted comes with its relations", async () => {
  const row = await good(tasks().insert({ title: "with", project: mars.id }).select("title, projects(name)").single());
  assert.deepEqual(row, { title: "with", projects: { name: "Mars" } });
  await good(tasks().delete().eq("title", "with"));
});

test("a request is broken off", async () => {
  const stop = new AbortController();
  stop.abort();
  const { error } = await tasks().select().abortSignal(stop.signal);
  assert.match(error.message, /abort/i);
});

test("errors are thrown where that is asked for", async () => {
  await assert.rejects(async () => await tasks().select("nothing").throwOnError(), PostgrestError);
});

test("nulls are left out where that is asked for", async () => {
  const [row] = await good(tasks().select("title,due").eq("title", "gamma").stripNulls());
  assert.deepEqual(row, { title: "gamma" });
});

test("a row by its path, which only we have, is the same row", async () => {
  const [{ id }] = await good(tasks().select("id").eq("title", "alpha"));
  const answer = await fetch(`${url}/tasks/${id}`, { headers });
  assert.equal((await answer.json()).title, "alpha");
});
