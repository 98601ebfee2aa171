// A GitLab on loopback that signs in whomever it is asked to: `&as=ID:EMAIL:verified` on its authorisation address. Codes are
// for one use, and the client, the redirect address and the PKCE verifier must fit. Alone: `node fake-gitlab.mjs --port N`.
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { GITLAB, readArguments } from "./settings.mjs";

export async function startFakeGitlab(port = 0) {
  const codes = new Map();
  const people = new Map();

  const authorize = (url, response) => {
    const query = url.searchParams;
    const back = new URL(query.get("redirect_uri"));
    if (query.get("client_id") !== GITLAB.clientId || query.get("response_type") !== "code") return refuse(response);
    back.searchParams.set("state", query.get("state"));
    if (query.get("as") === "denied") {
      back.searchParams.set("error", "access_denied");
      back.searchParams.set("error_description", "no");
    } else {
      const code = randomBytes(12).toString("hex");
      const [id, email, verified] = query.get("as").split(":");
      codes.set(code, { redirect: query.get("redirect_uri"), challenge: query.get("code_challenge"), id });
      people.set(`gl-access-${id}`, person(Number(id), email, verified === "verified"));
      back.searchParams.set("code", code);
    }
    response.writeHead(302, { location: back.href }).end();
  };

  const token = (form, response) => {
    if (form.get("client_id") !== GITLAB.clientId || form.get("client_secret") !== GITLAB.clientSecret) {
      return refuse(response);
    }
    let id;
    if (form.get("grant_type") === "refresh_token") {
      id = form.get("refresh_token").replace("gl-refresh-", "");
    } else {
      const known = codes.get(form.get("code"));
      codes.delete(form.get("code"));
      const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
      if (!known || known.challenge !== challenge || known.redirect !== form.get("redirect_uri")) return refuse(response);
      id = known.id;
    }
    answer(response, {
      access_token: `gl-access-${id}`, refresh_token: `gl-refresh-${id}`, token_type: "Bearer", expires_in: 7200,
      scope: "read_user", created_at: Math.floor(Date.now() / 1000),
    });
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://x");
    let body = "";
    for await (const part of request) body += part;
    if (url.pathname === "/oauth/authorize") return authorize(url, response);
    if (url.pathname === "/oauth/token") return token(new URLSearchParams(body), response);
    const known = people.get((request.headers.authorization ?? "").replace("Bearer ", ""));
    if (url.pathname === "/api/v4/user" && known) return answer(response, known);
    refuse(response);
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

function person(id, email, verified) {
  return {
    id, name: `GL ${id}`, username: `gl${id}`, email, email_verified: verified, state: "active", locked: false,
    avatar_url: "https://img.test/gl.png",
  };
}

const answer = (response, body) =>
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
const refuse = (response) =>
  response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { port } = readArguments();
  console.log(JSON.stringify({ gitlab: (await startFakeGitlab(Number(port ?? 0))).url }));
}
