//! Stories of two nodes and one station, told step by step: the close of an old socket, and each row of the table in reliability.md 7.2.

use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::Epoch;

use super::faults::Planted;
use super::node::Input;
use super::postgres;
use super::promises::Promise;
use super::stations::ClientEvent;
use super::world::{At, Event, World};

const STATION: usize = 4;
const HERE: usize = 0;
const THERE: usize = 1;
const ITS_ADDRESS: usize = 77;
const ANOTHER_ADDRESS: usize = 78;
/// Longer than a probe (3 s) and its messages take.
const AFTER_PROBE_MS: i64 = 4_000;

/// Two nodes that hold their leases, and the station connected at the first, with its certificate.
fn connected(planted: Planted, certificate: Option<usize>) -> (World, usize, Epoch) {
    let mut world = World::new(1, 2, planted);
    // Nobody knows the other before his second renewal.
    world.run_for(4_000);
    let client = dial(&mut world, HERE, ITS_ADDRESS, certificate);
    world.run_for(200);
    let epoch = world.epoch_at(HERE, STATION).unwrap();
    assert_eq!(world.route(STATION).unwrap().epoch, epoch);
    (world, client, epoch)
}

/// Somebody dials under the station's identity.
fn dial(world: &mut World, node: usize, address: usize, certificate: Option<usize>) -> usize {
    let client = world.join(STATION, address, certificate);
    world.clients[client].home = Some(node);
    world.after(0, Event::Client(client, ClientEvent::Dial));
    client
}

/// Dials once, and does not try again.
fn dial_once(world: &mut World, node: usize, address: usize, certificate: Option<usize>) -> usize {
    let client = dial(world, node, address, certificate);
    world.clients[client].leaves_at = world.now + 1;
    client
}

fn command(world: &mut World, node: usize) -> Option<CommandOutcome> {
    let order = world.order(STATION, 5_000, false);
    world.give(node, order);
    world.run_for(AFTER_PROBE_MS);
    world.ended(order)
}

fn was_answered(outcome: Option<CommandOutcome>) -> bool {
    outcome.is_some_and(|outcome| outcome.calls_delivered() == (1, 1))
}

/// The station is at the other node, with a higher number, its route says so, and commands reach it from both.
fn assert_moved(mut world: World, old: Epoch) {
    let new = world.epoch_at(THERE, STATION).unwrap();
    assert!(new > old);
    assert_eq!(world.epoch_at(HERE, STATION), None, "the old one is dismissed");
    let route = world.route(STATION).unwrap();
    assert_eq!((route.node, route.epoch), (world.nodes[THERE].id, new));
    assert!(was_answered(command(&mut world, HERE)) && was_answered(command(&mut world, THERE)));
    assert!(world.broken.is_empty(), "{:?}", world.broken);
}

fn moved_then_the_old_socket_closes(planted: Planted) -> World {
    let (mut world, client, _) = connected(planted, None);
    let old_wire = world.clients[client].wire.unwrap();
    // It loses its network without a word and comes back at the other node; the first hears nothing of it for a while.
    world.clients[client].home = Some(THERE);
    world.nodes[HERE].is_paused = true;
    world.go_silent(client);
    world.run_for(6_000);
    assert!(world.epoch_at(THERE, STATION).is_some());
    // Now the first node finds the old socket closed, and releases what was there under its number.
    world.input(HERE, 0, Input::SocketClosed(old_wire));
    world.resume(HERE);
    world.run_for(1_000);
    world
}

#[test]
fn old_socket_close_keeps_the_new_route() {
    let world = moved_then_the_old_socket_closes(Planted::Nothing);
    let new = world.epoch_at(THERE, STATION).unwrap();
    assert_eq!(world.route(STATION).map(|route| route.epoch), Some(new));
    assert!(world.tally.contains_key("close of an old socket"), "it came to the table of routes");
    assert_moved(world, Epoch(1));
}

#[test]
fn a_close_that_deletes_whatever_is_there_loses_the_new_route() {
    let world = moved_then_the_old_socket_closes(Planted::DeleteUnconditionally);
    assert!(world.epoch_at(THERE, STATION).is_some(), "the new socket is alive");
    assert_eq!(world.route(STATION), None, "and nobody finds it");
    assert!(world.broken.contains_key(&Promise::RouteFencedByEpoch));
}

#[test]
fn row_1_an_old_socket_without_a_pong_is_taken_over() {
    let (mut world, client, old) = connected(Planted::Nothing, None);
    world.go_silent(client);
    world.clients[client].leaves_at = world.now;
    // From another address, so that the old socket must be asked.
    dial(&mut world, THERE, ANOTHER_ADDRESS, None);
    world.run_for(1_000);
    assert_eq!(world.epoch_at(THERE, STATION), None, "the old one has its time to answer");
    world.run_for(AFTER_PROBE_MS - 1_000);
    assert!(world.tally.contains_key("old socket silent"));
    assert_moved(world, old);
}

#[test]
fn row_2_an_old_socket_at_a_node_without_a_lease_is_taken_over() {
    let (mut world, _, old) = connected(Planted::Nothing, None);
    // Asleep for longer than its lease and the margin: the others bury it, and ask it nothing any more.
    world.nodes[HERE].is_paused = true;
    world.run_for(16_000);
    dial(&mut world, THERE, ANOTHER_ADDRESS, None);
    world.run_for(500);
    assert!(world.tally.contains_key("old socket's node has no lease"));
    assert!(world.epoch_at(THERE, STATION).is_some(), "nobody was waited for");
    world.resume(HERE);
    world.run_for(AFTER_PROBE_MS);
    assert_moved(world, old);
}

#[test]
fn row_2_an_old_socket_at_a_node_that_cannot_be_reached_is_taken_over() {
    let (mut world, _, old) = connected(Planted::Nothing, None);
    let until = world.now + 5_000;
    world.cut_until[THERE][HERE] = until;
    world.cut_until[HERE][THERE] = until;
    dial(&mut world, THERE, ANOTHER_ADDRESS, None);
    world.run_for(AFTER_PROBE_MS);
    assert!(world.tally.contains_key("old socket unreachable"));
    assert!(world.epoch_at(THERE, STATION).is_some());
    assert!(world.epoch_at(HERE, STATION).is_some(), "it has not heard yet that it is superseded");
    world.run_for(6_000);
    assert_moved(world, old);
}

#[test]
fn row_3_of_two_living_sockets_the_old_one_stays() {
    let (mut world, _, old) = connected(Planted::Nothing, None);
    let stranger = dial_once(&mut world, THERE, ANOTHER_ADDRESS, None);
    world.run_for(AFTER_PROBE_MS);
    assert!(world.tally.contains_key("second socket refused"));
    assert!(world.clients[stranger].wire.is_none());
    assert_eq!(world.epoch_at(HERE, STATION), Some(old));
    assert_eq!(world.route(STATION).map(|route| route.epoch), Some(old));
    assert!(was_answered(command(&mut world, THERE)));
    assert!(world.broken.is_empty(), "{:?}", world.broken);
}

#[test]
fn row_3_a_stranger_at_the_same_node_is_refused_too() {
    let (mut world, _, old) = connected(Planted::Nothing, None);
    dial_once(&mut world, HERE, ANOTHER_ADDRESS, None);
    world.run_for(AFTER_PROBE_MS);
    assert!(world.tally.contains_key("second socket refused"));
    assert_eq!(world.epoch_at(HERE, STATION), Some(old));
}

#[test]
fn row_3_the_same_certificate_or_the_same_address_wins_over_a_living_socket() {
    for (address, certificate) in [(ANOTHER_ADDRESS, Some(9)), (ITS_ADDRESS, None)] {
        let (mut world, first, old) = connected(Planted::Nothing, Some(9));
        world.clients[first].leaves_at = world.now;
        dial(&mut world, THERE, address, certificate);
        world.run_for(1_000);
        assert!(world.tally.contains_key("takeover by the same station"));
        assert_moved(world, old);
    }
}

#[test]
fn after_three_fights_in_five_minutes_a_person_must_decide() {
    let (mut world, _, old) = connected(Planted::Nothing, None);
    let needs_a_person =
        |world: &World| world.postgres.duplicates.get(&STATION).is_some_and(|found| found.needs_a_person);
    for fight in 1..=3 {
        assert!(!needs_a_person(&world), "before fight {fight}");
        dial_once(&mut world, THERE, ANOTHER_ADDRESS, None);
        world.run_for(60_000);
    }
    assert!(needs_a_person(&world));
    assert_eq!(world.epoch_at(HERE, STATION), Some(old), "the old one keeps its place until then");
}

/// The second node knows of no old socket when the station comes: it can ask neither the table of routes nor the first node. Then the table
/// comes back empty, and the first node is the first to say its route again.
fn the_old_socket_says_its_route_first(planted: Planted) -> (World, Epoch) {
    let (mut world, client, old) = connected(planted, None);
    let until = world.now + 3_000;
    world.redis.away_until = until;
    world.cut_until = vec![vec![until; 2]; 2];
    world.clients[client].home = Some(THERE);
    world.go_silent(client);
    world.clients[client].leaves_at = world.now;
    dial(&mut world, THERE, ITS_ADDRESS, None);
    world.run_for(3_000);
    assert!(world.epoch_at(HERE, STATION).is_some() && world.epoch_at(THERE, STATION).is_some());
    world.redis.routes.clear();
    for node in [HERE, THERE] {
        world.input(node, 0, Input::RedisBack);
        world.run_for(100);
    }
    (world, old)
}

#[test]
fn an_old_socket_that_says_its_route_first_is_dismissed_by_the_new_one() {
    let (world, old) = the_old_socket_says_its_route_first(Planted::Nothing);
    assert!(world.tally.contains_key("dismissed after its route was replaced"));
    assert_moved(world, old);
}

#[test]
fn a_sweep_that_tells_nobody_leaves_it_for_another_sweep() {
    let (world, old) = the_old_socket_says_its_route_first(Planted::SweepTellsNobody);
    assert_eq!(world.epoch_at(HERE, STATION), Some(old));
}

/// The station moves while its old node cannot be reached for five seconds.
fn moved_while_cut_off(planted: Planted) -> (World, Epoch) {
    let (mut world, _, old) = connected(planted, None);
    let until = world.now + 5_000;
    world.cut_until = vec![vec![until; 2]; 2];
    dial(&mut world, THERE, ITS_ADDRESS, None);
    world.run_for(9_000);
    (world, old)
}

#[test]
fn a_dismissal_that_was_not_answered_is_sent_again() {
    let (world, old) = moved_while_cut_off(Planted::Nothing);
    assert!(world.tally.contains_key("dismissed again"));
    assert_moved(world, old);
}

#[test]
fn a_dismissal_that_is_sent_once_leaves_the_old_socket_to_the_sweep() {
    let (world, old) = moved_while_cut_off(Planted::DismissOnce);
    assert_eq!(world.epoch_at(HERE, STATION), Some(old));
}

/// A killed run's registration is carried out after that of the next run at its address.
fn registered_by_a_dead_run(planted: Planted) -> (World, At) {
    let (mut world, ..) = connected(planted, None);
    let (dead, started_at) = (world.run_of(HERE), world.nodes[HERE].started_at);
    world.restart(HERE);
    world.run_for(1_000);
    world.at_postgres(dead, 0, postgres::Ask::Register(started_at));
    let living = world.run_of(HERE);
    (world, living)
}

#[test]
fn a_late_registration_of_a_dead_run_does_not_bury_the_living_one() {
    let (world, living) = registered_by_a_dead_run(Planted::Nothing);
    assert!(world.postgres.members.contains_key(&living.id));
    let (world, living) = registered_by_a_dead_run(Planted::BuryAnyRun);
    assert!(!world.postgres.members.contains_key(&living.id) && world.holds_lease(living.node));
}
