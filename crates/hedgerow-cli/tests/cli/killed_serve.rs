//! kill -9 of `hedgerow serve` at random moments, under writes that are sent again with their `Idempotency-Key` until they are
//! acknowledged: none that was acknowledged is lost, and none is done twice.
//!
//! 500 writes here; the long run is `HEDGEROW_WRITES=10000 cargo test -p hedgerow-cli --test cli killed_serve -- --nocapture`.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hedgerow_testing::{TestDatabase, schema_of};
use serde_json::{Value, json};

use crate::project::{Project, Running, environment};

const WRITERS: usize = 4;
/// The server is killed about once in so many writes.
const BETWEEN_KILLS: usize = 60;

/// Where the server is at the moment.
struct Place(Mutex<String>);

impl Place {
    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, address: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// A number below `limit` that differs from run to run.
fn random(limit: usize) -> usize {
    usize::try_from(RandomState::new().hash_one(0) >> 8).expect("64 bits") % limit
}

/// The id that the write made, or nothing when the server is gone in the middle of it.
fn try_to_write(address: &str, key: &str, number: usize) -> Option<String> {
    // Every third in a batch.
    let row = json!({"text": format!("w{number}"), "n": number});
    let (path, body) = if number.is_multiple_of(3) {
        let operation = json!({"method": "POST", "path": "/notes", "body": row});
        ("/api/v1/batch", json!({"operations": [operation]}).to_string())
    } else {
        ("/api/v1/notes", row.to_string())
    };
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nidempotency-key: \"write-{number}\"\r\n\
         connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status: u16 = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    match status {
        200 | 201 => {
            // An answer that was cut off is none.
            let body: Value = serde_json::from_str(body).ok()?;
            let row = if number.is_multiple_of(3) { &body[0]["body"] } else { &body };
            Some(row["id"].as_str().expect("an id").to_owned())
        }
        // The server starts or ends, or the first try is still under way.
        409 | 429 | 503 => None,
        _ => panic!("{answer}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_are_there_once() {
    let writes: usize = std::env::var("HEDGEROW_WRITES").map_or(500, |text| text.parse().expect("a number"));
    let entity = "fields.text = { type = \"text\" }\nfields.n = { type = \"integer\" }";
    let test = TestDatabase::with(&schema_of(&[("notes", entity)])).await;
    let project = Project::new();
    project.write("entities/notes.toml", &format!("name = \"notes\"\n{entity}"));
    project.write("hedgerow.toml", "[rate_limit]\nenabled = false\n");
    let mut env = environment(&test.logins, &test.owner);
    env.retain(|(name, _)| *name != "DIRECT_DATABASE_URL");
    project.run_with(&["user", "create", "--email", "ann@example.com"], &env).expect(0);
    let key = project
        .run_with(&["key", "create", "--user", "ann@example.com", "--name", "k", "--scope", "*"], &env);
    let key = key.expect(0).out.trim().to_owned();

    let start = || {
        let mut command = project.command(&["serve", "--port", "0"]);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let mut serve = Running::start(command);
        let address = serve.address();
        (serve, address)
    };
    let (mut serve, address) = start();
    let place = Place(Mutex::new(address));
    let (next, done, tries) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let acknowledged = Mutex::new(BTreeMap::new());
    let mut kills = 0;
    let deadline = Instant::now()
        + Duration::from_secs(60)
        + Duration::from_millis(100) * u32::try_from(writes).expect("few");
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= writes {
                            return;
                        }
                        let id = loop {
                            assert!(Instant::now() < deadline, "write {number} is never acknowledged");
                            tries.fetch_add(1, Ordering::Relaxed);
                            match try_to_write(&place.get(), &key, number) {
                                Some(id) => break id,
                                None => std::thread::yield_now(),
                            }
                        };
                        acknowledged.lock().expect("no panic").insert(number, id);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            // This thread is the one that kills.
            while done.load(Ordering::Relaxed) < writes && Instant::now() < deadline {
                let at = done.load(Ordering::Relaxed) + 1 + random(2 * BETWEEN_KILLS);
                while done.load(Ordering::Relaxed) < at.min(writes) && Instant::now() < deadline {
                    std::thread::yield_now();
                }
                // Not when an answer comes, but at any moment of a write.
                let moment = Instant::now() + Duration::from_micros(random(20_000) as u64);
                while Instant::now() < moment {
                    std::hint::spin_loop();
                }
                serve.process.kill().expect("it runs");
                serve.process.wait().expect("a status");
                kills += 1;
                let (again, address) = start();
                serve = again;
                place.set(address);
            }
        });
    });

    let rows = test.column("SELECT n || ' ' || id FROM notes ORDER BY n").await;
    let expected: Vec<String> =
        acknowledged.lock().expect("no panic").iter().map(|(number, id)| format!("{number} {id}")).collect();
    assert_eq!(expected.len(), writes, "all are acknowledged");
    assert_eq!(rows, expected, "what was acknowledged is there, once, and nothing else");
    assert!(kills > 0, "it was killed");
    println!("{writes} writes, {} tries, {kills} kills", tries.load(Ordering::Relaxed));
    assert_eq!(serve.stop().0, Some(0));
}
