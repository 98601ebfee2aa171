//! `hedgerow audit`: what the trail says, and who changed it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::project::{Project, get, send};

#[test]
fn the_operator_reads_the_trail_and_sees_who_changed_it() {
    let project = Project::new();
    let mut dev = project.dev();
    let (address, key) = dev.address_and_key();
    assert_eq!(send(&address, &key, "POST", "/api/v1/notes", &json!({ "text": "a" })).0, 201);
    assert_eq!(get(&address, "hrk_wrong", "/api/v1/notes").0, 401);
    // Rows are readable within two seconds of the answer, and sealed within ten.
    let deadline = Instant::now() + Duration::from_secs(60);
    let whole = loop {
        let report = project.run(&["audit", "verify", "--json"]).expect(0).json();
        if report["rows"] == json!(2) {
            break report;
        }
        assert!(Instant::now() < deadline, "{report}");
    };
    assert_eq!((&whole["unsealed"], &whole["fault"]), (&json!(0), &Value::Null), "{whole}");
    let head = whole["head"].as_str().expect("a head");
    project.run(&["audit", "verify", "--since", head]).expect(0);
    project.run(&["audit", "verify", "--since", "1:x"]).expect(2);

    let refused = project.run(&["audit", "list", "statusCode=gte.400", "--json"]).expect(0).json();
    assert_eq!(refused.as_array().map(Vec::len), Some(1), "{refused}");
    assert_eq!((&refused[0]["endpoint"], &refused[0]["userId"]), (&json!("/api/v1/notes"), &Value::Null));
    let all = project.run(&["audit", "list"]).expect(0).out;
    assert!(all.contains("POST") && all.contains("201"), "{all}");
    let wrong = project.run(&["audit", "list", "colour=eq.red"]).expect(1);
    assert!(wrong.err.contains("`colour` is no field"), "{}", wrong.err);
    project.run(&["audit", "list", "colour"]).expect(2);

    // Whoever owns the database can change a row, and is found.
    let change = "UPDATE api_audit_logs SET \"statusCode\" = 200 WHERE \"statusCode\" = 401";
    let changed = project.run(&["psql", "--", "-Atc", change]);
    if changed.err.contains("install it, for example with `apt-get install postgresql-client`") {
        eprintln!("skipped: psql is not installed");
        return;
    }
    changed.expect(0);
    let report = project.run(&["audit", "verify", "--json"]).expect(3);
    assert_eq!(report.json()["fault"]["kind"], json!("changed"), "{}", report.out);
    assert_eq!(report.json()["fault"]["row"], refused[0]["id"]);
    dev.stop();
}
