//! Each order does what it says.

use super::*;

async fn free_port() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    free.local_addr().expect("an address")
}

/// A proxy before a server that echoes; its link and its control port.
async fn proxy() -> (SocketAddr, SocketAddr) {
    let echo = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let to = echo.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let (listen, control) = (free_port().await, free_port().await);
    let link = Link {
        name: "r1".to_owned(),
        listen,
        to,
    };
    tokio::spawn(run(vec![link], control));
    while order(control, "all pass").await.is_err() {
        tokio::task::yield_now().await;
    }
    (listen, control)
}

async fn echoed(stream: &mut TcpStream) -> std::io::Result<u8> {
    stream.write_all(b"x").await?;
    stream.read_u8().await
}

#[tokio::test]
async fn it_carries_delays_stalls_cuts_and_refuses() {
    let (listen, control) = proxy().await;
    let mut stream = TcpStream::connect(listen).await.expect("connected");
    assert_eq!(echoed(&mut stream).await.expect("an echo"), b'x');

    order(control, "r1 delay 60").await.expect("obeyed");
    let begun = Instant::now();
    echoed(&mut stream).await.expect("an echo");
    assert!(begun.elapsed() >= Duration::from_millis(120), "both ways");

    order(control, "r1 stall").await.expect("obeyed");
    stream.write_all(b"y").await.expect("written");
    let nothing = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
    assert!(nothing.is_err(), "nothing comes");
    order(control, "r1 pass").await.expect("obeyed");
    assert_eq!(stream.read_u8().await.expect("late, not lost"), b'y');

    order(control, "r1 cut").await.expect("obeyed");
    assert!(echoed(&mut stream).await.is_err(), "it was cut");
    let mut stream = TcpStream::connect(listen).await.expect("connected");
    assert_eq!(echoed(&mut stream).await.expect("an echo"), b'x');

    order(control, "r1 refuse").await.expect("obeyed");
    assert!(echoed(&mut stream).await.is_err(), "it was cut");
    let mut stream = TcpStream::connect(listen)
        .await
        .expect("accepted, then ended");
    assert!(echoed(&mut stream).await.is_err(), "it was refused");
}

#[tokio::test]
async fn a_wrong_order_is_told_and_changes_nothing() {
    let (listen, control) = proxy().await;
    for wrong in ["r1", "r1 explode", "r1 delay soon", "r2 pass", ""] {
        assert!(order(control, wrong).await.is_err(), "{wrong:?}");
    }
    let mut stream = TcpStream::connect(listen).await.expect("connected");
    assert_eq!(echoed(&mut stream).await.expect("an echo"), b'x');
}

#[test]
fn links_are_read_from_arguments() {
    let link: Link = "c1=127.0.0.1:1>127.0.0.2:9042".parse().expect("a link");
    assert_eq!((link.name.as_str(), link.to.port()), ("c1", 9042));
    assert!("127.0.0.1:1".parse::<Link>().is_err());
}
