//! What Redis is told of where stations are.

use ringmain_domain::id::{Epoch, StationId};
use ringmain_gateway::cluster::Cluster;
use ringmain_gateway::cluster::address::RedisAddress;
use ringmain_gateway::cluster::memory::MemoryRouting;
use ringmain_gateway::cluster::redis::RedisRoutes;
use ringmain_gateway::cluster::runtime::Runtime;

use crate::rig::eventually;
use crate::rig::redis::Redis;

/// A sweep goes through what was there when it began.
#[tokio::test]
async fn a_sweep_brings_no_route_back_whose_connection_has_ended() {
    let Some(redis) = Redis::start("a_sweep_brings_no_route_back_whose_connection_has_ended").await else {
        return;
    };
    let address = RedisAddress::read(&redis.url(), None).unwrap();
    let routes = RedisRoutes::new(address, "ringmain", Runtime::start().unwrap());
    let me = Cluster::alone(MemoryRouting::default()).record().clone();
    let cluster = Cluster::new(me, MemoryRouting::default(), Some(routes.clone()), None);
    let station = StationId::new("CS-1").unwrap();
    cluster.announce(&station, Epoch(6)).await;
    assert!(routes.find(&station).await.unwrap().is_some(), "a connection that only begins is announced");
    cluster.announce_again(&station, Epoch(7)).await;
    eventually!("its route to be gone", { routes.find(&station).await.unwrap().is_none().then_some(()) });
}
