//! TLS and passwords, over TCP.

use super::fixture::{config, run};
use super::support::Cluster;
use crate::world::system::System;
use crate::world::system::postgres::PostgresSystem;

#[test]
fn a_server_is_reached_over_tls_and_its_certificate_is_checked_where_the_url_says_so() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    if cluster.folder().is_none() {
        return;
    }
    let database = cluster.database();
    // Before PostgreSQL 14 a password is not kept in this form by itself.
    database.psql(
        "SET password_encryption = 'scram-sha-256'; ALTER ROLE postgres PASSWORD 's3cret'; CREATE TABLE t (id int PRIMARY KEY)",
    );
    cluster.crash();
    let (port, certificate) = cluster.speak_tls().expect("`openssl` makes a certificate");
    cluster.up_on(Some(port));
    let attempt = |host: &str, password: &str, options: &str| {
        let url = format!(
            "postgres://postgres:{password}@{host}:{port}/{}{options}",
            database.name
        );
        run(async {
            let mut system = PostgresSystem::open(&config(&url), &url).unwrap();
            system.install().await?;
            let spoken = database.psql(
                "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'venomqa'",
            );
            assert_eq!(spoken, "t", "{options}");
            system.uninstall().await
        })
    };
    let root = format!(
        "sslrootcert={}",
        certificate.display().to_string().replace('/', "%2F")
    );
    attempt("localhost", "s3cret", "").unwrap();
    attempt("127.0.0.1", "s3cret", "?sslmode=require").unwrap();
    attempt(
        "localhost",
        "s3cret",
        &format!("?sslmode=verify-full&{root}"),
    )
    .unwrap();
    // Nobody that is known has issued the certificate.
    let error = attempt("localhost", "s3cret", "?sslmode=verify-full").unwrap_err();
    assert!(error.message.contains("certificate"), "{error:?}");
    // The server takes no connection without TLS here.
    assert!(attempt("localhost", "s3cret", "?sslmode=disable").is_err());
    let error = attempt("localhost", "wr0ng", "").unwrap_err();
    assert!(
        error.message.contains("password authentication failed"),
        "{error:?}"
    );
    assert!(!format!("{error:?}").contains("wr0ng"));
    cluster.shut();
}
