// Deleting oneself, signing out, and what an administrator may.
import { get, post } from "./steps.mjs";

const made = { name: "Made", email: "made@example.com", password: "password-1234" };
const admin = (name, path, body, more) => post(name, `/admin/${path}`, body, { jar: "ada", ...more });
const users = (name, query, more) => get(name, `/admin/list-users${query}`, { jar: "ada", ...more });

export const administration = [
  post("delete, wrong password", "/delete-user", { password: "bad-password" }, { jar: "rem" }),
  post("delete", "/delete-user", { password: "password-1234" }, { jar: "rem" }),
  post("sign-in after the delete", "/sign-in/email", { email: "rem@example.com", password: "password-1234" }),
  get("delete link without cookie", "/delete-user/callback?token=x"),
  post("sign-out", "/sign-out", {}, { jar: "gl1" }),
  post("sign-out again", "/sign-out", {}, { jar: "gl1" }),
  get("error page", "/error?error=state_mismatch"),

  get("users for a member", "/admin/list-users", { jar: "eve" }),
  get("users without cookie", "/admin/list-users"),
  users("users", "?limit=2&offset=0&sortBy=email&sortDirection=asc", {
    sql: `UPDATE "user" SET role = 'admin' WHERE email = 'ada.new@example.com'`,
  }),
  users("users, second page", "?limit=2&offset=2&sortBy=email&sortDirection=desc"),
  users("users, search", "?searchValue=eve&searchField=email&searchOperator=contains"),
  users("users, search for a wildcard", "?searchValue=%25&searchField=email&searchOperator=contains&sortBy=email", {
    differs: { reason: "what is searched for is text, not a pattern", body: { users: [], total: 0 } },
  }),
  users("users, filter by an unknown field", "?filterField=nope&filterValue=1"),
  get("a user", "/admin/get-user?id={{eve}}", { jar: "ada" }),
  get("an unknown user", "/admin/get-user?id=nope", { jar: "ada" }),
  admin("make a user", "create-user", { ...made, role: "member", data: { image: "https://img.test/m.png" } }, {
    capture: { made: "body.user.id" },
  }),
  admin("make a user, address taken", "create-user", made),
  admin("make a user, bad address", "create-user", { ...made, email: "made" }),
  admin("role", "set-role", { userId: "{{made}}", role: ["user", "admin"] }),
  admin("role, unknown", "set-role", { userId: "{{made}}", role: "wizard" }),
  admin("role, unknown user", "set-role", { userId: "nope", role: "user" }),
  admin("role by a member", "set-role", { userId: "{{eve}}", role: "admin" }, { jar: "eve" }),
  admin("change a user", "update-user", { userId: "{{made}}", data: { name: "Made 2", role: "user" } }),
  admin("change nothing of a user", "update-user", { userId: "{{made}}", data: {} }),
  admin("password of a user", "set-user-password", { userId: "{{made}}", newPassword: "password-4321" }),
  post("sign-in with the password set", "/sign-in/email", { email: made.email, password: "password-4321" }),
  admin("sessions of a user", "list-user-sessions", { userId: "{{eve}}" }, {
    oldestFirst: "sessions",
    differs: { reason: "administrators get handles, not tokens", set: { "body.sessions.*.token": "<any>" } },
  }),
  admin("ban", "ban-user", { userId: "{{eve}}", banReason: "spam", banExpiresIn: 3600 }),
  get("session of a banned user", "/get-session", { jar: "eve" }),
  post("sign-in of a banned user", "/sign-in/email", { email: "eve@example.com", password: "password-1234" }, { jar: "eve" }),
  admin("ban oneself", "ban-user", { userId: "{{ada}}" }),
  admin("unban", "unban-user", { userId: "{{eve}}" }),
  post("sign-in after the ban", "/sign-in/email", { email: "eve@example.com", password: "password-1234" }, { newJar: "eve" }),
  admin("impersonate", "impersonate-user", { userId: "{{eve}}" }),
  get("session while impersonating", "/get-session", { jar: "ada" }),
  users("users while impersonating", ""),
  admin("stop impersonating", "stop-impersonating", {}),
  get("session after impersonating", "/get-session", { jar: "ada" }),
  admin("stop impersonating twice", "stop-impersonating", {}),
  admin("another administrator", "set-role", { userId: "{{made}}", role: "admin" }),
  admin("impersonate an administrator", "impersonate-user", { userId: "{{made}}" }),
  admin("permission", "has-permission", { permissions: { user: ["list"] } }),
  admin("permission of a member", "has-permission", { permissions: { user: ["list"] } }, { jar: "eve" }),
  admin("sessions of a user again", "list-user-sessions", { userId: "{{eve}}" }, {
    oldestFirst: "sessions",
    capture: { handle: "body.sessions.0.token" },
    differs: { reason: "administrators get handles, not tokens", set: { "body.sessions.*.token": "<any>" } },
  }),
  admin("revoke a user's session", "revoke-user-session", { sessionToken: "{{handle}}" }),
  get("session that an administrator revoked", "/get-session", { jar: "eve" }),
  admin("revoke a user's sessions", "revoke-user-sessions", { userId: "{{eve}}" }),
  admin("remove a user", "remove-user", { userId: "{{made}}" }),
  admin("remove oneself", "remove-user", { userId: "{{ada}}" }),
  admin("remove an unknown user", "remove-user", { userId: "{{made}}" }),
];
