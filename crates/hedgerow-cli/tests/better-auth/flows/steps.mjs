// How steps are written down.
export const get = (name, path, more = {}) => {
  const { headers, ...rest } = more;
  return { name, request: { path: `/api/auth${path}`, headers }, ...rest };
};

export const post = (name, path, body, more = {}) => {
  const { headers, origin, form, text, ...rest } = more;
  return { name, request: { method: "POST", path: `/api/auth${path}`, body, headers, origin, form, text }, ...rest };
};

/** Rows, as part of the answers. */
export const rows = (name, sql) => ({ name, sql });

export const EXPIRED = ["session_token", "session_data", "dont_remember"].map(
  (name) => `better-auth.${name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax`,
);
