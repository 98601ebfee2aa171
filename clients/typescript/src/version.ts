// Which version of a row or of a meta an answer showed.
const versions = new WeakMap<object, string>();

/** The version of a row or a meta that was read or written by itself, for `WriteOptions.version`. */
export function versionOf(row: object): string | undefined {
  return versions.get(row);
}

/** @internal What a response shows, with its version. */
export async function versioned<T extends object>(response: Response): Promise<T> {
  const row = (await response.json()) as T;
  const version = response.headers.get("etag");
  if (version !== null) versions.set(row, version);
  return row;
}
