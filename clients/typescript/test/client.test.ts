// The client against a real server: HEDGEROW_URL and HEDGEROW_TOKEN, with the entities of `schema.ts`, which `hedgerow types` wrote.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hedgerow, HedgerowError, ref, versionOf } from "@hedgerow/client";
import type { Schema } from "./schema.js";

const url = process.env["HEDGEROW_URL"] ?? "http://127.0.0.1:4400";
const token = process.env["HEDGEROW_TOKEN"] ?? "";
const hedgerow = new Hedgerow<Schema>({ url, token });
const projects = hedgerow.entity("projects");
const tasks = hedgerow.entity("tasks");

test("a row is made, read, changed, replaced and deleted", async () => {
  const made = await tasks.create({ title: "Build", tags: ["a"] });
  assert.equal(made.status, "todo");
  assert.deepEqual(await tasks.get(made.id, { select: ["title", "tags"] }), { title: "Build", tags: ["a"] });
  const changed = await tasks.update(made.id, { status: "done" });
  assert.equal(changed.status, "done");
  const replaced = await tasks.replace(made.id, { title: "Built" });
  assert.deepEqual([replaced.title, replaced.status, replaced.tags], ["Built", "todo", null]);
  await tasks.delete(made.id);
  await assert.rejects(tasks.get(made.id), (error) => error instanceof HedgerowError && error.status === 404);
});

test("what is wrong is named", async () => {
  const wrong = { title: 1, titel: "x" } as unknown as { title: string };
  await assert.rejects(tasks.create(wrong), (error) => {
    assert(error instanceof HedgerowError);
    assert.deepEqual(error.errors.map(({ field, code }) => `${field} ${code}`).sort(), ["titel unknown_field", "title invalid_text"]);
    assert.ok(error.requestId);
    return true;
  });
});

test("conditions find rows, whatever stands in their values", async () => {
  const odd = ['a,b', 'c"d', "e(f)", "g.h", " i ", "j\\k", "l:m", "%", "ä&b=c+d"];
  await tasks.createMany(odd.map((title, priority) => ({ title, priority, status: "odd" as const })));
  for (const title of odd) {
    const one = await tasks.list({ where: (row) => row.eq("title", title), select: ["title"] });
    assert.deepEqual(one.rows, [{ title }]);
    const among = await tasks.list({ where: (row) => row.in("title", [title, "nothing"]), select: ["title"] });
    assert.deepEqual(among.rows, [{ title }]);
  }
  const some = await tasks.list({
    where: (row) => [row.eq("status", "odd"), row.gte("priority", 2), row.lt("priority", 4)],
    order: "priority",
    select: ["priority"],
    count: "exact",
  });
  assert.deepEqual(some.rows, [{ priority: 2 }, { priority: 3 }]);
  assert.equal(some.total, 2);
  const either = await tasks.list({
    where: (row) => row.or(row.eq("title", 'c"d'), row.and(row.eq("title", "a,b"), row.isNull("due").not()), row.eq("title", "e(f)")),
    order: "title",
    select: ["title"],
  });
  assert.deepEqual(either.rows, [{ title: 'c"d' }, { title: "e(f)" }]);
  const changed = await tasks.updateMany((row) => row.eq("status", "odd"), { done: true });
  assert.equal(changed.length, odd.length);
  assert.equal((await tasks.deleteMany((row) => [row.eq("status", "odd"), row.isTrue("done")])).length, odd.length);
});

test("walking sees every row once, page by page", async () => {
  await tasks.createMany(Array.from({ length: 25 }, (_, priority) => ({ title: `walk ${priority}`, priority, status: "walk" as const })));
  const seen: unknown[] = [];
  for await (const row of tasks.walk({ where: (row) => row.eq("status", "walk"), order: "priority", limit: 7, select: ["priority"] })) {
    seen.push(row.priority);
  }
  assert.deepEqual(seen, Array.from({ length: 25 }, (_, priority) => priority));
  const first = await tasks.list({ where: (row) => row.eq("status", "walk"), order: "priority", limit: 10 });
  const second = await first.next?.();
  const back = await second?.previous?.();
  assert.deepEqual(back?.rows.map((row) => row.id), first.rows.map((row) => row.id));
  const streamed: unknown[] = [];
  for await (const row of tasks.stream({ where: (row) => row.eq("status", "walk"), order: "priority", select: ["priority"] })) {
    streamed.push(row.priority);
  }
  assert.deepEqual(streamed, seen);
  await tasks.deleteMany((row) => row.eq("status", "walk"));
});

test("an answer that is lost does not make a second row", async () => {
  let lost = 0;
  const lossy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (lost < 2) {
      lost += 1;
      await response.arrayBuffer();
      throw new TypeError("the connection broke");
    }
    return response;
  };
  const client = new Hedgerow<Schema>({ url, token, fetch: lossy });
  const made = await client.entity("tasks").create({ title: "once", status: "odd" });
  const found = await tasks.list({ where: (row) => row.eq("title", "once") });
  assert.deepEqual(found.rows.map((row) => row.id), [made.id]);
  lost = 1;
  await client.entity("tasks").delete(made.id);
  assert.equal((await tasks.list({ where: (row) => row.eq("title", "once") })).rows.length, 0);
});

test("a change is about the version that was read", async () => {
  const row = await tasks.create({ title: "versions" });
  const version = versionOf(row);
  assert.ok(version);
  await tasks.update(row.id, { title: "newer" }, { version });
  await assert.rejects(tasks.update(row.id, { title: "late" }, { version }), (error) => error instanceof HedgerowError && error.status === 412);
  await tasks.delete(row.id);
});

test("rows are made or changed by what is unique", async () => {
  await projects.upsert([{ name: "Moon", code: "moon" }], { on: ["code"] });
  const [moon] = await projects.upsert([{ name: "The Moon", code: "moon" }], { on: ["code"] });
  assert.equal(moon?.name, "The Moon");
  assert.equal((await projects.list({ where: (row) => row.eq("code", "moon") })).rows.length, 1);
  await projects.deleteMany((row) => row.eq("code", "moon"));
});

test("a batch is done as a whole or not at all", async () => {
  const [project, task] = (await hedgerow.batch((batch) => [
    batch.create("projects", { name: "Mars", code: "red" }),
    batch.create("tasks", { title: "Rocket", project: ref(0) }),
  ])) as [{ id: string }, { id: string; project: string }];
  assert.equal(task.project, project.id);
  const bad = hedgerow.batch((batch) => [
    batch.update("tasks", task.id, { title: "changed" }),
    batch.create("projects", { name: "Mars again", code: "red" }),
  ]);
  await assert.rejects(bad, (error) => error instanceof HedgerowError && error.status === 409);
  assert.equal((await tasks.get(task.id)).title, "Rocket");
  await projects.delete(project.id);
});

test("whoever has no key gets an error that says so", async () => {
  const nobody = new Hedgerow<Schema>({ url, retries: 0 });
  await assert.rejects(nobody.entity("tasks").list(), (error) => error instanceof HedgerowError && error.code === "not_signed_in");
});

test("metadata of a row is typed, merged and changed by its version", async () => {
  const task = await tasks.create({ title: "Kite", metas: { colour: "blue", "ui,theme": { dark: true } } });
  const metas = tasks.metas(task.id);
  assert.deepEqual(await metas.all(), { colour: "blue", "ui,theme": { dark: true } });
  assert.deepEqual(await metas.all({ keys: ["ui,theme", 'a"b'] }), { "ui,theme": { dark: true } });
  const set = await metas.set("weight", 1.5, { isSearchable: false });
  assert.deepEqual([set.key, set.value, set.dataType, set.isPublic], ["weight", 1.5, "number", false]);
  const again = await metas.set("weight", 2, { version: versionOf(set)! });
  assert.equal(again.value, 2);
  await assert.rejects(
    metas.set("weight", 3, { version: versionOf(set)! }),
    (error) => error instanceof HedgerowError && error.status === 412,
  );
  await assert.rejects(metas.set("weight", 3, { isNew: true }), (error) => error instanceof HedgerowError && error.status === 412);
  assert.equal((await metas.get("weight")).value, 2);
  // @ts-expect-error: the entity file says which colours there are
  await assert.rejects(metas.set("colour", "green"), (error) => {
    assert(error instanceof HedgerowError);
    assert.deepEqual(error.errors.map(({ field, code }) => [field, code]), [["value", "not_an_option"]]);
    return true;
  });
  assert.deepEqual(await metas.change({ colour: null, "ui,theme": { size: 2 } }), { "ui,theme": { size: 2 }, weight: 2 });
  await hedgerow.metas().change({ "ui,theme": { dark: false }, beta: true });
  const merged = await metas.merged({ depth: "deep", keys: ["ui,theme", "colour", "beta"] });
  assert.deepEqual(merged, {
    "ui,theme": { value: { dark: false, size: 2 }, level: "user", levels: ["user", "entity"] },
    colour: { value: "red", level: "default" },
    beta: { value: true, level: "user" },
  });
  await tasks.update(task.id, { metas: { weight: null } });
  await metas.delete("ui,theme");
  assert.deepEqual(await metas.all(), {});
  await tasks.delete(task.id);
});

test("metadata of users and of all has the same form", async () => {
  const mine = hedgerow.metas<{ nick: string; beta: boolean; [key: string]: unknown }>();
  const nick = await mine.set("nick", "Annie", { isPublic: true });
  assert.deepEqual([nick.value, nick.isPublic], ["Annie", true]);
  assert.deepEqual(await mine.merged({ keys: ["beta"] }), { beta: { value: true, level: "user" } });
  assert.equal((await mine.change({ beta: null })).nick, "Annie");
  // A flag is read without a row.
  assert.deepEqual(await mine.merged({ keys: ["beta"] }), { beta: { value: false, level: "default" } });
  const task = await tasks.create({ title: "Whose" });
  assert.equal((await hedgerow.metas(task.userId).all())["nick"], "Annie");
  assert.deepEqual(await hedgerow.metas("nobody").all(), {});
  await tasks.delete(task.id);
  await mine.delete("nick");
  const all = hedgerow.globalMetas();
  await all.set("theme", "light");
  assert.deepEqual(await all.all({ keys: ["theme", "nothing"] }), { theme: "light" });
  await all.delete("theme");
});
