// Compiled and never run: the types of `hedgerow types` fit the client of PostgREST. `database.ts` is what the command wrote.
import { PostgrestClient } from "@supabase/postgrest-js";
import type { Database, Insert, Row, Schema, Update } from "./database.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

const client = new PostgrestClient<Database>("http://localhost/api/v1");

export async function typed(): Promise<void> {
  const { data: tasks } = await client.from("tasks").select("title, status, priority, labels").eq("status", "todo").throwOnError();
  same<(typeof tasks)[number]["status"], "todo" | "doing" | "done" | "odd" | "walk" | null>(true);
  same<(typeof tasks)[number]["priority"], number | null>(true);

  const { data: one } = await client.from("tasks").select("title, projects(name)").single().throwOnError();
  same<typeof one.projects, { name: string } | null>(true);
  const { data: many } = await client.from("projects").select("name, tasks(title)").single().throwOnError();
  same<typeof many.tasks, { title: string }[]>(true);
  const { data: linked } = await client.from("tasks").select("title, labelled:labels(name)").single().throwOnError();
  same<typeof linked.labelled, { name: string }[]>(true);

  await client.from("tasks").insert({ title: "x" });
  // @ts-expect-error: the title is needed.
  await client.from("tasks").insert({ body: "x" });
  // @ts-expect-error: no option of the field.
  await client.from("tasks").update({ status: "later" });
  // @ts-expect-error: the server sets it.
  await client.from("tasks").update({ userId: "x" });
}

export const names: (keyof Schema)[] = ["labels", "projects", "tasks"];
export const insert: Insert<"tasks"> = { title: "x", labels: [] };
export const update: Update<"tasks"> = { due: null };
export const read = (row: Row<"tasks">): string => row.id;
