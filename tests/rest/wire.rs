//! What only a real connection shows.

use actix_web::{App, HttpServer, middleware::from_fn};
use bedside::http;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::kit::{Options, parts};

async fn serve() -> SocketAddr {
    let (parts, ..) = parts(&Options::default());
    let server = HttpServer::new(move || {
        let parts = parts.clone();
        App::new()
            .wrap(from_fn(http::edge))
            .configure(|cfg| http::configure(cfg, parts))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .expect("a port is free");
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

/// Writes this and reads what comes back until the connection ends.
async fn talk(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request).await.expect("writes");
    let mut answer = Vec::new();
    // A reset after the answer is the server's right: it did not read the rest.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[actix_web::test]
async fn head_gets_the_headers_of_get_and_no_body() {
    let address = serve().await;
    let request = b"HEAD /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = talk(address, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        head.to_ascii_lowercase().contains("content-length: "),
        "{answer}"
    );
    assert_eq!(body, "");
}

#[actix_web::test]
async fn a_body_is_refused_before_it_is_sent() {
    let address = serve().await;
    let request = b"POST /api/v1/conversations HTTP/1.1\r\nhost: localhost\r\n\
        authorization: Bearer doctor:d1\r\ncontent-type: application/json\r\n\
        content-length: 999999999\r\nconnection: close\r\n\r\n{";
    let answer = talk(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[actix_web::test]
async fn a_body_of_unknown_length_is_counted_as_it_comes() {
    let address = serve().await;
    let mut request = b"POST /api/v1/conversations HTTP/1.1\r\nhost: localhost\r\n\
        authorization: Bearer doctor:d1\r\ncontent-type: application/json\r\n\
        transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        .to_vec();
    for _ in 0..5 {
        request.extend_from_slice(format!("{:x}\r\n", 65_536).as_bytes());
        request.extend_from_slice(&[b' '; 65_536]);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = talk(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
