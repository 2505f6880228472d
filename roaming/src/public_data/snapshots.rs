//! Documents of DATEX II as they were last made: packed (gzip), each with the tag of what it says.
//!
//! A document is made when somebody asks and the last one is older than [`Terms::cache`]: by one request, while the others get the last one. It
//! is read from the store page by page and packed as it is written, so what stands in memory is a page and the packed document, of at most
//! [`PACKED_MAX_BYTES`]. If it says what the last one said, the last one stays, with its time of publication and its tag.

use std::io::{Read as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web::Data;
use bytes::{Buf as _, Bytes};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::stream::{Stream, iter, unfold};
use ringmain_domain::time::Timestamp;
use ringmain_store::page::{MAX_LIMIT, PageRequest};
use ringmain_store::partners::lists::{PublishedLocation, Window};
use ringmain_store::store::StoreError;

use crate::ocpi::envelope::now;
use crate::public_data::conditional::Content;
use crate::public_data::datex2::sites::{Tariffs, site};
use crate::public_data::datex2::{Document, Table};
use crate::public_data::{PublicData, Terms};

/// The most bytes of a packed document: several million points.
pub const PACKED_MAX_BYTES: usize = 256 * 1024 * 1024;
/// So many locations are read at once.
const PAGE_LOCATIONS: u32 = 200;
/// So many tariffs are known to a document; what others cost is not told.
pub const TARIFFS_MAX: usize = 20_000;
/// So much of a document is unpacked at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A document as it was made.
#[derive(Debug)]
pub struct Snapshot {
    /// Packed.
    pub packed: Bytes,
    /// How long it is when unpacked.
    pub bytes: u64,
    /// Tells what it says from what others say.
    pub tag: String,
    /// Its time of publication: when it was first seen so.
    pub made_at: Timestamp,
    /// Is there nothing in it?
    pub is_empty: bool,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is longer than it may be.
    #[error("the document has more than {0} bytes when packed")]
    TooLarge(usize),
    /// An object could not be written.
    #[error("an object cannot be written: {0}")]
    Unwritten(#[from] std::io::Error),
    /// The node ends.
    #[error("the node ends")]
    Ending,
}

/// Writes a document, packed.
pub struct Packer {
    document: Document,
    terms: Terms,
    at: Timestamp,
    to: Counted<GzEncoder<Vec<u8>>>,
    max_bytes: usize,
    objects: usize,
    content: Content,
    versions: Content,
}

/// Counts what is written.
struct Counted<W> {
    inner: W,
    bytes: u64,
}

/// The last document of each kind.
#[derive(Debug, Default)]
pub struct Snapshots {
    slots: [Slot; Document::ALL.len()],
}

#[derive(Debug, Default)]
struct Slot {
    /// Who holds it makes the next one.
    turn: Arc<tokio::sync::Mutex<()>>,
    last: Mutex<Option<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    snapshot: Arc<Snapshot>,
    /// When it was last found to be what the store says.
    compared_at: Instant,
}

// === impl Counted ===

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

// === impl Packer ===

impl Packer {
    /// Begins a document that is published at this time.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(
        document: Document,
        terms: &Terms,
        at: Timestamp,
        max_bytes: usize,
    ) -> Result<Self, SnapshotError> {
        let mut to = Counted { inner: GzEncoder::new(Vec::new(), Compression::fast()), bytes: 0 };
        to.write_all(document.head(terms, at).as_bytes())?;
        let content = Content::new();
        content.note_object(&(&terms.country_code, &terms.party_id, &terms.language));
        let versions = Content::new();
        Ok(Self { document, terms: terms.clone(), at, to, max_bytes, objects: 0, content, versions })
    }

    /// Adds locations; those at which nothing is described are passed over.
    ///
    /// # Errors
    /// It becomes too large, or cannot be written.
    pub fn add(&mut self, locations: &[PublishedLocation], tariffs: &Tariffs) -> Result<(), SnapshotError> {
        for published in locations {
            let Some(site) = site(&self.terms, published, tariffs).map_err(std::io::Error::from)? else {
                continue;
            };
            let mut object = Vec::new();
            self.document.write(&mut object, &self.terms, &site).map_err(std::io::Error::from)?;
            if self.objects > 0 {
                self.to.write_all(b",")?;
            }
            self.to.write_all(&object)?;
            self.objects = self.objects.saturating_add(1);
            self.content.note(&object);
            self.versions.note_object(&(&site.id, &site.version));
            if self.to.inner.get_ref().len() > self.max_bytes {
                return Err(SnapshotError::TooLarge(self.max_bytes));
            }
        }
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> Result<Snapshot, SnapshotError> {
        let is_empty = self.objects == 0;
        let version = self.versions.tag();
        self.content.note(version.as_bytes());
        let table = Table { version: &version, is_empty };
        self.to.write_all(self.document.tail(&self.terms, self.at, table).as_bytes())?;
        let Counted { inner, bytes } = self.to;
        let packed = Bytes::from(inner.finish()?);
        Ok(Snapshot { packed, bytes, tag: self.content.tag(), made_at: self.at, is_empty })
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("document", &self.document).finish_non_exhaustive()
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// It is packed, piece by piece: whoever reads slowly has a piece of it in its socket, and all share the rest.
    pub fn pieces(&self) -> impl Stream<Item = std::io::Result<Bytes>> + use<> {
        let packed = self.packed.clone();
        let pieces = (0..packed.len()).step_by(CHUNK_BYTES);
        iter(
            pieces
                .map(move |from| Ok(packed.slice(from..packed.len().min(from.saturating_add(CHUNK_BYTES))))),
        )
    }

    /// What it says, piece by piece.
    pub fn unpacked(&self) -> impl Stream<Item = std::io::Result<Bytes>> + use<> {
        let reader = GzDecoder::new(self.packed.clone().reader());
        unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            let mut chunk = vec![0; CHUNK_BYTES];
            match reader.read(&mut chunk) {
                Ok(0) => None,
                Ok(length) => {
                    chunk.truncate(length);
                    Some((Ok(Bytes::from(chunk)), Some(reader)))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

// === impl Slot ===

impl Slot {
    fn last(&self) -> Option<Kept> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, cache: Duration) -> Option<Kept> {
        self.last().filter(|kept| kept.compared_at.elapsed() < cache)
    }

    /// Keeps what was made, or what was there if it says the same.
    fn keep(&self, made: Snapshot) -> Kept {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = last.take().filter(|kept| kept.snapshot.tag == made.tag);
        let snapshot = same.map_or_else(|| Arc::new(made), |kept| kept.snapshot);
        let kept = Kept { snapshot, compared_at: Instant::now() };
        *last = Some(kept.clone());
        kept
    }
}

// === impl Snapshots ===

impl Snapshots {
    fn slot(&self, document: Document) -> Option<&Slot> {
        let place = Document::ALL.iter().position(|one| *one == document)?;
        self.slots.get(place)
    }
}

/// A document, and how long ago it was compared with the store.
///
/// # Errors
/// There is none that is fresh enough, and none could be made.
pub async fn current(
    public: &Data<PublicData>,
    document: Document,
) -> Result<(Arc<Snapshot>, Duration), SnapshotError> {
    let slot = public.snapshots.slot(document).ok_or(SnapshotError::Ending)?;
    let told = |kept: Kept| (kept.snapshot, kept.compared_at.elapsed());
    if let Some(fresh) = slot.fresh(public.terms.cache) {
        return Ok(told(fresh));
    }
    let turn = match (Arc::clone(&slot.turn).try_lock_owned(), slot.last()) {
        (Ok(turn), _) => turn,
        (Err(_taken), Some(last)) => return Ok(told(last)),
        (Err(_taken), None) => Arc::clone(&slot.turn).lock_owned().await,
    };
    if let Some(fresh) = slot.fresh(public.terms.cache) {
        return Ok(told(fresh));
    }
    // It is finished though whoever asked goes away: the next one finds it.
    let (runtime, public) = (public.hub.client.runtime().clone(), Data::clone(public));
    let made = runtime.finish(async move {
        let _turn = turn;
        let made = make(&public, document).await?;
        let slot = public.snapshots.slot(document).ok_or(SnapshotError::Ending)?;
        Ok(slot.keep(made))
    });
    made.await.unwrap_or(Err(SnapshotError::Ending)).map(told)
}

/// Reads the store and writes the document. Packing is work, so it is done where it delays no pushes.
async fn make(public: &PublicData, document: Document) -> Result<Snapshot, SnapshotError> {
    let (store, tenant, at) = (&public.hub.store, &public.hub.tenant, now());
    let tariffs = Arc::new(tariffs(public, at).await?);
    let mut packer = Packer::new(document, &public.terms, at, PACKED_MAX_BYTES)?;
    let mut request = PageRequest::first(PAGE_LOCATIONS);
    loop {
        let page = store.published_locations(tenant, at, &Window::default(), &request).await?;
        let (locations, tariffs) = (page.items, Arc::clone(&tariffs));
        let packing = tokio::task::spawn_blocking(move || {
            packer.add(&locations, &tariffs)?;
            Ok::<_, SnapshotError>(packer)
        });
        packer = packing.await.map_err(|_ending| SnapshotError::Ending)??;
        match page.next {
            Some(next) => request.after = Some(next),
            None => return packer.finish(),
        }
    }
}

/// What anyone may pay, as it is in force.
async fn tariffs(public: &PublicData, at: Timestamp) -> Result<Tariffs, SnapshotError> {
    let (store, tenant) = (&public.hub.store, &public.hub.tenant);
    let (mut known, mut request) = (Tariffs::new(), PageRequest::first(MAX_LIMIT));
    loop {
        let page = store.published_tariffs(tenant, at, &Window::default(), &request).await?;
        known.extend(page.items.into_iter().map(|tariff| (tariff.id.clone(), tariff)));
        match page.next {
            Some(_) if known.len() >= TARIFFS_MAX => {
                tracing::warn!(known = known.len(), "public data tells no price of the tariffs beyond these");
                return Ok(known);
            }
            Some(next) => request.after = Some(next),
            None => return Ok(known),
        }
    }
}
