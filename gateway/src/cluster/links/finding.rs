//! Questions to all other nodes for stations, those that come together in one: with a hundred nodes a question for each station would be a
//! hundred calls.

use std::sync::{Mutex, PoisonError};

use ringmain_domain::cluster::routes::Place;
use ringmain_domain::id::StationId;
use tokio::sync::{Semaphore, oneshot};

use super::Links;
use crate::cluster::server::FIND_MAX;

/// Rounds under way at a time: whoever comes meanwhile is asked for in the next one.
const ROUNDS: usize = 4;

/// The most that wait; of more nothing is known.
const WAITING_MAX: usize = 10_000;

/// Where a station is, and whether all nodes answered.
pub(super) type Answer = (Vec<Place>, bool);

/// Those that wait for a round.
#[derive(Debug)]
pub(super) struct Finding {
    waiting: Mutex<Vec<Waiting>>,
    rounds: Semaphore,
}

type Waiting = (StationId, oneshot::Sender<Answer>);

// === impl Finding ===

impl Finding {
    pub(super) fn new() -> Self {
        Self { waiting: Mutex::default(), rounds: Semaphore::new(ROUNDS) }
    }

    /// Takes a place among those that wait; where there is none left, nobody will answer.
    fn wait(&self, station: &StationId) -> oneshot::Receiver<Answer> {
        let (told, hears) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX {
            waiting.push((station.clone(), told));
        }
        hears
    }

    /// The first of those that still wait, as many as one question may name.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, told)| !told.is_closed());
        let count = waiting.len().min(FIND_MAX);
        waiting.drain(..count).collect()
    }
}

// === impl Links ===

impl Links {
    /// Asks all other nodes for a station; whether all of them answered.
    pub async fn find(&self, station: &StationId) -> Answer {
        let finding = &self.shared.finding;
        let mut hears = finding.wait(station);
        let turn = tokio::select! {
            biased;
            answer = &mut hears => return answer.unwrap_or_default(),
            turn = finding.rounds.acquire() => turn,
        };
        // Those before it first; they may be more than one question names.
        while turn.is_ok() {
            match hears.try_recv() {
                Ok(answer) => return answer,
                Err(oneshot::error::TryRecvError::Closed) => return Answer::default(),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let batch = finding.take();
            if batch.is_empty() {
                break;
            }
            // It goes on when nobody waits for this station any more: others do.
            let links = self.clone();
            self.shared.runtime.run(async move { links.ask_all(batch).await }).await;
        }
        drop(turn);
        hears.await.unwrap_or_default()
    }

    async fn ask_all(&self, batch: Vec<Waiting>) {
        let (places, complete) =
            self.places(batch.iter().map(|(station, _)| station.clone()).collect()).await;
        for (station, told) in batch {
            let own = places.iter().filter(|(found, _)| *found == station).map(|(_, place)| *place);
            // Whoever does not wait any more needs no answer.
            drop(told.send((own.collect(), complete)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_no_more_than_it_may_and_forgets_nobody() {
        let finding = Finding::new();
        let station = |number| StationId::new(&format!("CS-{number}")).unwrap();
        let _all: Vec<_> = (0..=FIND_MAX).map(|number| finding.wait(&station(number))).collect();
        assert_eq!(finding.take().len(), FIND_MAX);
        let rest = finding.take();
        assert_eq!(rest.iter().map(|(station, _)| station.clone()).collect::<Vec<_>>(), [station(FIND_MAX)]);
        assert!(finding.take().is_empty());
    }

    #[test]
    fn who_finds_no_place_to_wait_is_told_that_nothing_is_known_and_who_left_takes_none() {
        let (finding, station) = (Finding::new(), StationId::new("CS-1").unwrap());
        let all: Vec<_> = (0..WAITING_MAX).map(|_| finding.wait(&station)).collect();
        let mut more = finding.wait(&station);
        assert_eq!(more.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        drop(all);
        assert!(finding.take().is_empty());
        let mut next = finding.wait(&station);
        assert_eq!((next.try_recv(), finding.take().len()), (Err(oneshot::error::TryRecvError::Empty), 1));
    }
}
