//! A partition into a Parquet file, read back before anybody believes it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::engine::param::params;
use crate::retention::file::{self, FactFile};
use crate::retention::{Partition, shape};
use crate::store::{Store, StoreError};

/// Rows that are read at a time: a frame may have 16 KiB.
const AT_ONCE: u32 = 1_000;

/// A partition that is in a file. Only an archive makes one, so nothing is dropped that is in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Where it is.
    pub path: PathBuf,
    /// How many rows it has.
    pub rows: u64,
    /// Over the values of all rows, the same for what was read from the database and from the file.
    pub sha256: String,
    pub(super) name: Box<str>,
}

/// A folder for archives, that nobody else archives into meanwhile.
#[derive(Debug)]
pub struct ArchiveFolder {
    path: PathBuf,
    /// Held as long as the value; the system lets go of it when the program is gone, however it went.
    _lock: File,
}

/// The file that is locked; it stays, and holds nothing.
const LOCK: &str = ".ringmain-archive.lock";

// === impl ArchiveFolder ===

impl ArchiveFolder {
    /// Takes a folder that is there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: another run has it. [`StoreError::Unavailable`]: it cannot be written to.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let wrong = |error: &std::io::Error| file::unusable(path, error);
        let opened = File::options().create(true).write(true).truncate(false).open(path.join(LOCK));
        let lock = opened.map_err(|error| wrong(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::conflict(format!("another run archives into {}", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(wrong(&error)),
        }
    }
}

/// A file that has not got its name yet; what was begun and not kept is taken away.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // It is not there any more when it was kept; one that cannot be removed is in nobody's way.
        std::fs::remove_file(&self.0).ok();
    }
}

impl Store {
    /// Writes a partition to `FOLDER/NAME.parquet`, reads the file through, and only then gives it its name. It is for a command line: the
    /// calling thread waits for the disk. To be dropped a partition has to be detached before ([`Store::detach_partition`]): nothing comes
    /// into it then.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: the role does not own the partition, or a file of that name holds something else.
    /// [`StoreError::Unavailable`]: the file cannot be written or read. [`StoreError::Corrupt`]: the file holds something else than was
    /// written to it.
    pub async fn archive_partition(
        &self,
        partition: &Partition,
        folder: &ArchiveFolder,
    ) -> Result<Archived, StoreError> {
        if !partition.is_ours {
            return Err(StoreError::conflict("only the role that owns the schema archives: use its URL"));
        }
        let shape = shape::of(&partition.fact)?;
        let path = folder.path.join(format!("{}.parquet", partition.name));
        let partial = Partial(path.with_extension(format!("parquet.{}.partial", Uuid::new_v4())));
        let mut file = FactFile::create(&partial.0, shape)?;
        let (table, order) = (format!("months.{}", partition.name), shape.key.join(", "));
        let mut behind = None;
        loop {
            let select = shape::after(&table, shape.key, &shape.names(), behind.as_ref())?
                .tail(&format!("ORDER BY {order} LIMIT ?"), params![AT_ONCE]);
            let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
            for row in &rows {
                file.push(row)?;
            }
            behind = rows.into_iter().next_back();
            if behind.is_none() {
                break;
            }
        }
        let written = file.close()?;
        if file::read(&partial.0, shape)? != written {
            return Err(StoreError::corrupt(format!(
                "{} does not hold what was written",
                partial.0.display()
            )));
        }
        let kept = || -> std::io::Result<()> {
            std::fs::rename(&partial.0, &path)?;
            // The name, too, has to be on the disk.
            File::open(&folder.path)?.sync_all()
        };
        if path.exists() && file::read(&path, shape)? != written {
            return Err(StoreError::conflict(format!(
                "{} holds something else: move it away",
                path.display()
            )));
        }
        kept().map_err(|error| StoreError::unavailable(format!("archive {}: {error}", path.display())))?;
        Ok(Archived { path, rows: written.rows, sha256: written.sha256, name: partition.name.clone() })
    }
}
