//! Routes in every kind of Redis, over TLS and as a user who may do nothing else.

use ringmain_domain::cluster::routes::Place;
use ringmain_domain::id::{Epoch, NodeId, StationId};
use ringmain_gateway::cluster::address::RedisAddress;
use ringmain_gateway::cluster::redis::RedisRoutes;
use ringmain_gateway::cluster::runtime::Runtime;
use uuid::Uuid;

use crate::rig::secure_redis::{PASSWORD, SecureRedis, USER};

fn routes(url: &str, ca: Option<Vec<u8>>) -> RedisRoutes {
    RedisRoutes::new(RedisAddress::read(url, ca).unwrap(), "rm", Runtime::start().unwrap())
}

/// All that is asked of Redis works, and nothing does with another password, or where nobody vouches for the server.
async fn check(url: impl Fn(&str) -> String, ca: Vec<u8>) {
    let (url, other) = (url(PASSWORD), url("guessed"));
    let routes_there = routes(&url, Some(ca.clone()));
    let (station, node) = (StationId::new("CS-1").unwrap(), NodeId(Uuid::new_v4()));
    let place = |epoch| Place { node, epoch: Epoch(epoch) };
    for epoch in [6, 7] {
        routes_there.assert(place(epoch), &station).await.unwrap();
    }
    assert_eq!(routes_there.find(&station).await.unwrap(), Some(place(7)));
    routes_there.release(&station, Epoch(6)).await.unwrap();
    assert_eq!(routes_there.find(&station).await.unwrap(), Some(place(7)), "the release of an older one");
    routes_there.release(&station, Epoch(7)).await.unwrap();
    assert_eq!(routes_there.find(&station).await.unwrap(), None);
    assert!(!routes_there.sign_of_life(node, "127.0.0.1:1").await.unwrap());
    assert!(routes_there.sign_of_life(node, "127.0.0.1:1").await.unwrap());
    assert!(routes(&other, Some(ca)).find(&station).await.is_err(), "another password");
    assert!(routes(&url, None).find(&station).await.is_err(), "nobody vouches for the server");
}

#[tokio::test]
async fn one_server_and_the_one_that_a_sentinel_tells() {
    let redis = SecureRedis::watched().await;
    let (port, sentinel) = (redis.port, redis.sentinel_port);
    check(|password| format!("rediss://{USER}:{password}@127.0.0.1:{port}"), redis.ca()).await;
    let watched = |password: &str| format!("rediss-sentinel://{USER}:{password}@127.0.0.1:{sentinel}/main");
    check(watched, redis.ca()).await;
}

#[tokio::test]
async fn a_redis_cluster() {
    let redis = SecureRedis::cluster().await;
    let port = redis.port;
    check(|password| format!("rediss-cluster://{USER}:{password}@127.0.0.1:{port}"), redis.ca()).await;
}
