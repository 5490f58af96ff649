use super::*;
use crate::adapters::webrtc::stun::tests::request;

async fn mux() -> Arc<Mux> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    Mux::new(vec![socket], Arc::default()).unwrap()
}

fn keys(ufrag: &str) -> IceKeys {
    IceKeys {
        ufrag: ufrag.to_owned(),
        pwd: format!("the password of {ufrag}"),
    }
}

fn connection(mux: &Arc<Mux>, ufrag: &str) -> Route {
    let route = mux.route();
    route.admit(keys(ufrag));
    route
}

fn from(port: u16) -> SocketAddr {
    SocketAddr::new([192, 0, 2, 1].into(), port)
}

fn signed(ufrag: &str) -> Vec<u8> {
    request(&format!("{ufrag}:x"), &keys(ufrag).pwd)
}

const MEDIA: &[u8] = &[0x80, 96, 0, 1];

#[tokio::test]
async fn an_address_belongs_to_whose_password_it_knew() {
    let mux = mux().await;
    let (a, b) = (connection(&mux, "aaaa"), connection(&mux, "bbbb"));
    mux.received(MEDIA, from(1));
    assert_eq!(a.inlet.next(true), None);
    mux.received(&signed("aaaa"), from(1));
    mux.received(MEDIA, from(1));
    assert_eq!(a.inlet.next(true).unwrap().0, signed("aaaa"));
    assert_eq!(a.inlet.next(true).unwrap(), (MEDIA.to_vec(), from(1)));
    assert_eq!(b.inlet.next(true), None);
    assert_eq!(mux.stats.unknown_datagrams(), 1);
}

#[tokio::test]
async fn a_forged_request_moves_nobody() {
    let mux = mux().await;
    let (a, b) = (connection(&mux, "aaaa"), connection(&mux, "bbbb"));
    mux.received(&signed("aaaa"), from(1));
    mux.received(&request("bbbb:x", "not the password"), from(1));
    mux.received(&request("cccc:x", "of nobody"), from(1));
    mux.received(MEDIA, from(1));
    a.inlet.next(true).unwrap();
    assert_eq!(a.inlet.next(true).unwrap().0, MEDIA);
    assert_eq!(b.inlet.next(true), None);
}

#[tokio::test]
async fn who_proves_it_takes_an_address_over_and_leaves_it_with_the_connection() {
    let mux = mux().await;
    let (a, b) = (connection(&mux, "aaaa"), connection(&mux, "bbbb"));
    mux.received(&signed("aaaa"), from(1));
    mux.received(&signed("bbbb"), from(1));
    drop(a);
    mux.received(MEDIA, from(1));
    b.inlet.next(true).unwrap();
    assert_eq!(b.inlet.next(true).unwrap().0, MEDIA);
    drop(b);
    let routes = mux.routes.read();
    assert!(routes.by_address.is_empty() && routes.by_ufrag.is_empty());
}

#[tokio::test]
async fn addresses_credentials_and_what_waits_are_bounded() {
    let mux = mux().await;
    let a = connection(&mux, "aaaa");
    for port in 1..=20 {
        mux.received(&signed("aaaa"), from(port));
    }
    assert_eq!(mux.routes.read().by_address.len(), ADDRESSES_MAX);
    mux.received(MEDIA, from(1));
    assert_eq!(mux.stats.unknown_datagrams(), 1, "the oldest made room");
    for _ in 0..WAITING_MAX {
        mux.received(MEDIA, from(20));
    }
    assert!(mux.stats.overflowed_datagrams() > 0);
    for ufrag in ["bbbb", "cccc"] {
        a.admit(keys(ufrag));
    }
    assert_eq!(mux.routes.read().by_ufrag.len(), KEYS_MAX);
    mux.received(&signed("aaaa"), from(30));
    assert!(!mux.routes.read().by_address.contains_key(&from(30)));
}

#[tokio::test]
async fn whoever_waits_is_woken() {
    let mux = mux().await;
    let a = connection(&mux, "aaaa");
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(a.inlet.poll(true, &mut context).is_pending());
    mux.received(&signed("aaaa"), from(1));
    assert!(a.inlet.poll(true, &mut context).is_ready());
}

proptest::proptest! {
    #[test]
    fn whatever_comes_is_taken(datagrams in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mux = mux().await;
            let a = connection(&mux, "aaaa");
            mux.received(&signed("aaaa"), from(1));
            for datagram in datagrams {
                mux.received(&datagram, from(1));
                mux.received(&datagram, from(2));
            }
            assert!(a.inlet.next(true).is_some());
        });
    }
}
