//! The queue by itself: what comes when, and what happens when it is full.

use ringmain_domain::id::{EvseId, LocationId, StationId, TariffId};
use ringmain_domain::time::Timestamp;

use super::*;
use crate::push::news::What;

const PACE: Duration = Duration::from_secs(1);

fn news(kind: &str, subject: &str, position: i64, what: What) -> Arc<News> {
    let changed_at = Timestamp::from_millis(0);
    Arc::new(News { position, kind: kind.into(), subject: subject.into(), changed_at, party: None, what })
}

fn thing(subject: &str, position: i64) -> Arc<News> {
    news("session", subject, position, What::Nothing)
}

/// The EVSE of this number at the one location, which is gone.
fn evse(number: u32, position: i64) -> Arc<News> {
    let station = StationId::new("CS-1").unwrap();
    let what = What::Removed(LocationId::new("L1").unwrap(), station, EvseId(number));
    news("evse_removed", &number.to_string(), position, what)
}

fn queue(pace: Duration, all: impl IntoIterator<Item = Arc<News>>) -> Queue {
    let mut queue = Queue::new(pace, usize::MAX, Vec::new());
    all.into_iter().for_each(|news| queue.offer(news));
    queue
}

/// It fails for the so-manieth time, and waits for so long.
fn fails(queue: &mut Queue, subject: &str, failures: u32, again_at: Option<Instant>) {
    let suspect = Suspect { failures, successes: 0, again_at, reason: "500".to_owned() };
    queue.suspects.insert(("session".into(), subject.into()), suspect);
}

fn next(queue: &Queue, now: Instant) -> Option<(String, i64)> {
    queue.next(now).map(|news| (news.subject.to_string(), news.position))
}

fn told(queue: &mut Queue, news: &Arc<News>, now: Instant) {
    queue.begin(news, now);
    queue.end(news);
    queue.pass(news);
}

#[test]
fn of_each_object_the_newest_state_goes_at_the_place_of_its_first() {
    let now = Instant::now();
    let mut queue = queue(Duration::ZERO, [thing("A", 1), thing("B", 2), thing("A", 3)]);
    assert_eq!((next(&queue, now), queue.first()), (Some(("A".to_owned(), 3)), Some(1)));
    let first = queue.next(now).unwrap();
    queue.begin(&first, now);
    assert_eq!(next(&queue, now), Some(("B".to_owned(), 2)), "one call at a time about one object");
    // It changes while it is told: that waits in its turn, and the place before it is not passed.
    queue.offer(thing("A", 4));
    queue.end(&first);
    queue.pass(&first);
    assert_eq!((next(&queue, now), queue.first()), (Some(("B".to_owned(), 2)), Some(2)));
    let second = queue.next(now).unwrap();
    told(&mut queue, &second, now);
    assert_eq!((next(&queue, now), queue.first()), (Some(("A".to_owned(), 4)), Some(4)));
}

#[test]
fn an_object_that_changes_often_waits_for_its_turn_and_nobody_with_it() {
    let now = Instant::now();
    let mut queue = queue(PACE, [thing("A", 1), thing("B", 2)]);
    let first = queue.next(now).unwrap();
    told(&mut queue, &first, now);
    for position in 3..100 {
        queue.offer(thing("A", position));
    }
    assert_eq!(next(&queue, now), Some(("B".to_owned(), 2)));
    let other = queue.next(now).unwrap();
    told(&mut queue, &other, now);
    assert_eq!((next(&queue, now), queue.held_until(now)), (None, Some(now + PACE)));
    assert_eq!(next(&queue, now + PACE), Some(("A".to_owned(), 99)), "the last state, once");
    // What was told long ago is not remembered for ever.
    for number in 0..3 * TOLD_LOOK {
        let at = now + PACE * u32::try_from(number).unwrap();
        let one = thing(&number.to_string(), 1_000);
        told(&mut queue, &one, at);
    }
    assert!(queue.told.len() <= TOLD_LOOK, "{}", queue.told.len());
}

#[test]
fn what_failed_comes_last_and_waits_by_itself_once_it_is_to_blame() {
    let now = Instant::now();
    let mut queue = queue(Duration::ZERO, [thing("A", 1), thing("B", 2)]);
    fails(&mut queue, "A", 1, None);
    queue.offer(evse(1, 3));
    for expect in [("1".to_owned(), 3), ("B".to_owned(), 2)] {
        assert_eq!(next(&queue, now), Some(expect), "another kind, then another one");
        let other = queue.next(now).unwrap();
        told(&mut queue, &other, now);
    }
    assert_eq!(next(&queue, now), Some(("A".to_owned(), 1)));
    fails(&mut queue, "A", 2, Some(now + PACE));
    assert_eq!((next(&queue, now), queue.first()), (None, Some(1)), "it is not passed");
    assert_eq!(next(&queue, now + PACE), Some(("A".to_owned(), 1)));
}

#[test]
fn what_was_overtaken_is_read_again() {
    let now = Instant::now();
    let location = news("location", "L1", 1, evse(1, 1).what.clone());
    let mut queue = queue(PACE, [Arc::clone(&location), evse(2, 2)]);
    told(&mut queue, &location, now);
    queue.offer(news("location", "L1", 3, evse(1, 3).what.clone()));
    queue.offer(evse(1, 4));
    let (second, third) = (evse(2, 2), evse(1, 4));
    assert!(!queue.begin(&second, now), "nothing before it was told");
    queue.end(&second);
    queue.pass(&second);
    assert!(!queue.begin(&third, now));
    queue.end(&third);
    queue.pass(&third);
    let late = queue.next(now + PACE).unwrap();
    assert_eq!((&*late.kind, queue.begin(&late, now + PACE)), ("location", true));
}

#[test]
fn a_full_queue_reads_nothing_on_and_gives_up_what_was_tried_most_often() {
    let now = Instant::now();
    let most = i64::try_from(WAITING_MAX - BATCH).unwrap();
    let mut queue = queue(Duration::ZERO, (1..=most).map(|position| thing(&position.to_string(), position)));
    assert!(queue.has_room());
    for position in 1..=most {
        fails(&mut queue, &position.to_string(), if position == 7 { 5 } else { 2 }, Some(now + PACE));
    }
    assert!(queue.too_many().is_none() && queue.has_room(), "as many as may be held leave room");
    let more = thing("more", most + 1);
    queue.offer(Arc::clone(&more));
    assert!(!queue.has_room());
    assert_eq!(next(&queue, now), Some(("more".to_owned(), most + 1)));
    fails(&mut queue, "more", 2, Some(now + PACE));
    let given_up = queue.too_many().unwrap();
    assert_eq!(&*given_up.subject, "7");
    queue.suspects.remove(&key(&given_up));
    queue.pass(&given_up);
    assert!(queue.too_many().is_none() && queue.has_room());
    // Who is tried right now is not given up.
    fails(&mut queue, "8", 6, Some(now));
    let eighth = thing("8", 8);
    queue.begin(&eighth, now);
    queue.offer(thing("another", most + 2));
    fails(&mut queue, "another", 2, Some(now + PACE));
    assert_eq!(&*queue.too_many().unwrap().subject, "1");
}

#[test]
fn after_a_pause_what_waits_is_what_is_still_there() {
    let now = Instant::now();
    let mut queue = queue(Duration::ZERO, [thing("A", 1), thing("B", 2), thing("C", 3)]);
    queue.renew([thing("C", 3), thing("B", 2)].into_iter());
    assert_eq!((queue.keys().len(), next(&queue, now)), (2, Some(("B".to_owned(), 2))));
    queue.age();
    let first = queue.next(now).unwrap();
    assert!(queue.begin(&first, now), "it is read again");
    queue.clear();
    assert!(queue.is_empty() && queue.first().is_none() && next(&queue, now).is_none());
}

/// The end of a tariff's reach is told at once, while its last change waits for its turn: that must not bring it back.
#[test]
fn what_a_tariff_was_is_read_again_when_its_reach_has_ended_meanwhile() {
    let now = Instant::now();
    let change = |position| news("tariff", "T1", position, What::Nothing);
    let mut queue = queue(PACE, [change(1)]);
    let first = queue.next(now).unwrap();
    told(&mut queue, &first, now);
    queue.offer(change(2));
    queue.offer(news("tariff_reach", "T1", 3, What::TariffGone(TariffId::new("T1").unwrap())));
    let reach = queue.next(now).unwrap();
    assert_eq!(reach.position, 3);
    queue.begin(&reach, now);
    assert_eq!(next(&queue, now + PACE), None, "one call at a time about one tariff");
    queue.end(&reach);
    queue.pass(&reach);
    let change = queue.next(now + PACE).unwrap();
    assert_eq!((change.position, queue.begin(&change, now + PACE)), (2, true), "read again");
}

/// What was offered again stands where it stood first, and what is newer than those behind it makes them old all the same.
#[test]
fn what_was_read_earlier_is_old_wherever_it_waits() {
    let now = Instant::now();
    let again = |position| {
        let what = What::Removed(LocationId::new("L1").unwrap(), StationId::new("CS-1").unwrap(), EvseId(7));
        news("evse_status", "7", position, what)
    };
    let mut queue = queue(Duration::ZERO, [again(1), evse(7, 2), again(3)]);
    let newest = queue.next(now).unwrap();
    assert_eq!(newest.position, 3);
    assert!(!queue.begin(&newest, now));
    queue.end(&newest);
    queue.pass(&newest);
    let older = queue.next(now).unwrap();
    assert_eq!((older.position, queue.begin(&older, now)), (2, true));
}
