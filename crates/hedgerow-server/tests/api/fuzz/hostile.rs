//! What is sent where something else is expected: texts, JSON values and whole bodies, each hostile in a way of its own.
//!
//! Always holds: no text here is a row's mark or another tenant's secret, so whatever of those comes back was leaked.

use std::collections::BTreeMap;

/// Texts that were written for other readers than this server's: quotes, statements, casts, operators, paths, numbers, moments.
const TEXTS: &str = include_str!("texts.json");

/// Bytes that are no UTF-8: a lone byte, an overlong slash, a surrogate, one past the last character.
const BYTES: &[&[u8]] = &[b"\xff", b"a\xffb", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe9"];

/// Pieces that are harmless once, and how often they stand behind each other.
const LONG: &[(&str, usize)] = &[
    ("x", 201),
    ("x", 256),
    ("x", 5000),
    ("%a", 60),
    ("*a", 60),
    ("_", 200),
    ("(", 300),
    ("and(", 200),
    ("not.", 300),
    ("{", 300),
    ("[", 300),
    ("!", 300),
    ("a&", 300),
    ("\"a\" ", 200),
    ("->a", 200),
    ("things(", 100),
    ("a,", 1500),
    ("id,", 300),
    ("id=eq.a&", 800),
    ("9", 400),
    ("\u{1f600}", 300),
];

/// JSON values, as they stand in a body, one a line.
const VALUES: &str = include_str!("values.txt");

/// Bodies that are wrong as a whole.
const BODIES: &[&[u8]] = &[
    b"",
    b" ",
    b"\n",
    b"{",
    b"[",
    b"[]",
    b"[[]]",
    b"null",
    b"1",
    b"\"x\"",
    b"{}",
    b"[{}]",
    b"[{},1]",
    b"[{},null]",
    b"[null]",
    b"{\"title\":1,\"title\":2}",
    b"[{\"title\":\"a\"},{\"title\":\"b\",\"nope\":1}]",
    b"{\"\":1}",
    b"{\"title\":\"a\",}",
    b"{'title':'a'}",
    b"{title:1}",
    b"{\"title\":NaN}",
    b"{\"title\":Infinity}",
    b"// a\n{}",
    b"{} {}",
    b"{}\n{}\n",
    b"[{}]x",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b"{\"title\":\"\xff\"}",
    b"{\"title\":\"\xed\xa0\x80\"}",
    b"{\"title\":\"\0\"}",
    b"{\"title\":\"\n\"}",
    b"\0",
    b"\x1f\x8b\x08\x00",
    b"{\"data\":9e400}",
    b"{\"data\":{\"a\":9e400}}",
    b"{\"data\":1e99999}",
    b"{\"data\":\"\\ud800\"}",
    b"{\"data\":{\"\\u0000\":1}}",
    b"{\"data\":-0}",
    b"{\"data\":1e131072}",
    b"{\"data\":1e-20000}",
    b"title=a&count=1",
    b"title,count\na,1\n",
    b"title,nope\r\na,1\r\n",
    b"title\n\"a",
    b"title,title\na,b\n",
    b"title\na,b\n",
    b"{\"title\":\"a\"}\n{\"title\":\n",
    b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n",
    b"<xml/>",
    b"{\"columns\":\"x\",\"$where\":\"1\"}",
    b"{\"operations\":null}",
    b"{\"operations\":[]}",
    b"{\"operations\":[[]]}",
    b"{\"operations\":[{\"method\":\"TRACE\",\"path\":\"/\"}]}",
    b"{\"operations\":[{\"method\":\"POST\",\"path\":\"/api/v1/batch\",\"body\":{\"operations\":[]}}]}",
    b"{\"operations\":[{\"method\":\"GET\",\"path\":\"http://evil.example/\"}]}",
    b"{\"operations\":[{\"method\":\"POST\",\"path\":\"things\",\"body\":{\"parent\":{\"$ref\":\"0.id\"}}}]}",
];

/// All texts; `ids` are those of other tenants' rows.
pub(super) fn texts(ids: &[String]) -> Vec<Vec<u8>> {
    let kinds: BTreeMap<String, Vec<String>> = serde_json::from_str(TEXTS).expect("texts by what they try");
    let mut all: Vec<Vec<u8>> = kinds.into_values().flatten().map(String::into_bytes).collect();
    all.extend(BYTES.iter().map(|bytes| bytes.to_vec()));
    all.extend(ids.iter().map(|id| id.clone().into_bytes()));
    all.extend(ids.iter().take(2).map(|id| id.to_uppercase().into_bytes()));
    for (piece, times) in LONG {
        all.push(piece.repeat(*times).into_bytes());
    }
    all.push(format!("0.{}1", "0".repeat(400)).into_bytes());
    all.push(format!("({}id.eq.a)", "id.eq.a,".repeat(300)).into_bytes());
    all.push(format!("{}id.eq.a{}", "or(".repeat(60), ")".repeat(60)).into_bytes());
    all
}

/// All JSON values, as they stand in a body: each text is one too.
pub(super) fn values(ids: &[String]) -> Vec<Vec<u8>> {
    let quoted = |text: &Vec<u8>| {
        let text = std::str::from_utf8(text).ok()?;
        Some(serde_json::to_vec(text).expect("a text is JSON"))
    };
    let mut all: Vec<Vec<u8>> = VALUES.lines().map(|line| line.as_bytes().to_vec()).collect();
    all.extend(texts(ids).iter().filter_map(quoted));
    all.push(format!("[{}]", vec!["\"a\""; 2000].join(",")).into_bytes());
    all.push(format!("{}1{}", "[".repeat(40), "]".repeat(40)).into_bytes());
    all.push(format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120)).into_bytes());
    all.push(format!("{}1{}", "[".repeat(5000), "]".repeat(5000)).into_bytes());
    all.push(format!("\"{}\"", "x".repeat(300_000)).into_bytes());
    all
}

/// All bodies; `good` is one that would be understood, and is cut off in several places.
pub(super) fn bodies(good: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = BODIES.iter().map(|body| body.to_vec()).collect();
    all.extend((1..8).map(|part| good[..good.len() * part / 8].to_vec()));
    all.extend([
        [b"[".as_slice(), good, b",", good, b"]"].concat(),
        [b"{\"operations\":".as_slice(), good, b"}"].concat(),
        [good, good].concat(),
        [good, b"\0"].concat(),
        "[".repeat(100_000).into_bytes(),
        format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200)).into_bytes(),
        format!("[{}]", vec!["{}"; 1001].join(",")).into_bytes(),
        format!("{{{}}}", (0..10_000).map(|n| format!("\"f{n}\":{n}")).collect::<Vec<_>>().join(","))
            .into_bytes(),
        format!("{{\"title\":\"{}\"}}", "x".repeat(2 << 20)).into_bytes(),
        "title\n".repeat(3000).into_bytes(),
    ]);
    all
}
