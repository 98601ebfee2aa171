// Better Auth's own tables, in the database of DATABASE_URL: `node schema.mjs apply` makes them, `node schema.mjs` prints
// what Better Auth still wants, with the plugins that PLUGINS names (`admin` unless it says otherwise). `user NAME EMAIL`
// signs somebody up, `sign-in EMAIL` in, and prints whom; `delete ID` deletes a user.
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { admin, bearer, jwt, twoFactor, username } from "better-auth/plugins";
import pg from "pg";

const known = { admin, bearer, jwt, twoFactor, username };
const plugins = (process.env.PLUGINS ?? "admin").split(" ").filter(Boolean).map((name) => known[name]());
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const options = {
  database: pool,
  secret: "0123456789abcdef0123456789abcdef",
  baseURL: "http://127.0.0.1:3000",
  telemetry: { enabled: false },
  emailAndPassword: { enabled: true },
  plugins,
};

const [what, name, email] = process.argv.slice(2);
if (what === "user") {
  const made = await betterAuth(options).api.signUpEmail({ body: { name, email, password: "correct horse" } });
  console.log(made.user.id);
} else if (what === "sign-in") {
  const session = await betterAuth(options).api.signInEmail({ body: { email: name, password: "correct horse" } });
  console.log(session.user.id);
} else if (what === "delete") {
  // As its own endpoint does it.
  await (await betterAuth(options).$context).internalAdapter.deleteUser(name);
} else {
  const { toBeCreated, toBeAdded, runMigrations } = await getMigrations(options);
  if (what === "apply") await runMigrations();
  console.log(JSON.stringify({ toBeCreated: toBeCreated.map((t) => t.table), toBeAdded: toBeAdded.map((t) => t.table) }));
}
await pool.end();
