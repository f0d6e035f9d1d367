//! The way to the server, in the clear and not.

use syncline::store::Storage;
use syncline_postgres::PostgresStorage;
use syncline_postgres_testing::Server;

#[tokio::test]
async fn a_server_that_speaks_tls_is_reached_as_the_url_demands() {
    let server = Server::start_with_tls();
    for mode in ["disable", "prefer", "require"] {
        let storage = PostgresStorage::at(format!("{}?sslmode={mode}", server.url())).await.unwrap();
        storage.ready().await.unwrap();
    }
    // Nobody vouches for the certificate.
    for mode in ["verify-ca", "verify-full"] {
        let error = PostgresStorage::at(format!("{}?sslmode={mode}", server.url())).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn tls_that_is_demanded_and_not_to_be_had_is_an_error() {
    let url = format!("{}&sslmode=require", Server::shared().url());
    let error = PostgresStorage::at(url).await.unwrap_err();
    assert!(error.to_string().contains("TLS"), "{error}");
}
