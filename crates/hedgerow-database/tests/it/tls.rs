//! TCP with a password, and TLS as `sslmode` asks for it, against a server with a certificate.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use hedgerow_database::private_server::{Durability, PrivateServer, PrivateServerOptions};
use hedgerow_database::{Database, Error, Identity, Logins, PoolSettings};
use hedgerow_schema::Roles;

/// What a flight through `url` says of its connection, or the innermost reason why there is none.
async fn connect(url: &str) -> String {
    let logins = Logins { tenant: url.parse().expect("a URL"), auth: None, admin: None };
    let roles =
        Roles { anon: hedgerow_schema::Identifier::parse("visitor").expect("a name"), ..Roles::default() };
    let settings = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let database = Database::open(&logins, settings, roles);
    let asked = database
        .flight(&Identity::Anonymous)
        .rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]);
    match asked.await {
        Ok(rows) if rows[0].get::<bool>(0).expect("a boolean") => "encrypted".to_owned(),
        Ok(_) => "plain".to_owned(),
        Err(error) => {
            let mut reason: &dyn std::error::Error = &error;
            while let Some(source) = reason.source() {
                reason = source;
            }
            assert!(matches!(error, Error::Connect { .. }), "{error:?}");
            reason.to_string()
        }
    }
}

#[tokio::test]
async fn passwords_and_certificates_are_taken_as_seriously_as_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    let state = directory.path().join("state");
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("rights");
    let mut options = PrivateServerOptions {
        port: Some(port),
        durability: Durability::Throwaway,
        ..PrivateServerOptions::new(&state)
    };
    let start = async |options: &PrivateServerOptions| {
        let options = options.clone();
        tokio::task::spawn_blocking(move || PrivateServer::start(&options, &mut |_| {}))
            .await
            .expect("no panic")
            .expect("a server")
    };
    let server = start(&options).await;
    let (client, driver) =
        tokio_postgres::connect(&server.url("postgres", "postgres"), tokio_postgres::NoTls)
            .await
            .expect("a connection");
    let driver = tokio::spawn(driver);
    client
        .batch_execute("CREATE ROLE hedgerow_app; CREATE ROLE visitor; CREATE ROLE guest LOGIN PASSWORD 'pass w\u{f6}rd'; GRANT visitor, hedgerow_app TO guest; GRANT pg_read_all_stats TO visitor")
        .await
        .expect("roles");
    drop(client);
    let _ = driver.await;

    let url = |password: &str, parameters: &str| {
        format!("postgresql://guest{password}@localhost:{port}/postgres{parameters}")
    };
    let right = ":pass%20w%C3%B6rd";
    assert_eq!(connect(&url(right, "")).await, "plain");
    assert_eq!(connect(&url(right, "?sslmode=disable")).await, "plain");
    assert!(connect(&url(right, "?sslmode=require")).await.contains("does not offer TLS"));
    assert!(connect(&url(":wrong", "")).await.contains("password authentication failed"));
    assert!(connect(&url("", "")).await.contains("asks for a password"));

    // The same server with a certificate for localhost.
    let data_owner = std::fs::metadata(server.data_dir()).expect("the data").uid();
    tokio::task::spawn_blocking(move || server.stop()).await.expect("no panic").expect("a clean stop");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(file("cert.pem"), made.cert.pem()).expect("a file");
    std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    std::fs::set_permissions(file("key.pem"), std::fs::Permissions::from_mode(0o600)).expect("rights");
    if rustix::process::getuid().is_root() {
        chown(file("key.pem"), Some(data_owner), None).expect("an owner");
    }
    for (name, value) in
        [("ssl", "on"), ("ssl_cert_file", &file("cert.pem")), ("ssl_key_file", &file("key.pem"))]
    {
        options.settings.push((name.to_owned(), value.to_owned()));
    }
    let server = start(&options).await;
    let root = format!("&sslrootcert={}", file("cert.pem"));
    assert_eq!(connect(&url(right, "")).await, "encrypted");
    assert_eq!(connect(&url(right, "?sslmode=disable")).await, "plain");
    assert_eq!(connect(&url(right, "?sslmode=require")).await, "encrypted");
    assert_eq!(connect(&url(right, &format!("?sslmode=verify-full{root}"))).await, "encrypted");
    // An unknown certificate, and a name that it is not for.
    let refused = connect(&url(right, "?sslmode=verify-full")).await;
    assert!(refused.contains("certificate") || refused.contains("no root certificates"), "{refused}");
    let by_address = url(right, &format!("?sslmode=verify-full{root}")).replace("localhost", "127.0.0.1");
    assert!(connect(&by_address).await.contains("certificate"));
    tokio::task::spawn_blocking(move || server.stop()).await.expect("no panic").expect("a clean stop");
}
