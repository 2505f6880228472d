//! The console's files, in the binary, under addresses that change with their content: browsers may keep them for ever.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};

use super::page::PageError;

/// Hexadecimal digits of the content's hash in an address.
const HASH_DIGITS: usize = 12;
const FOR_EVER: &str = "public, max-age=31536000, immutable";

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 5] = [
    Asset {
        name: "console.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/console.css"),
    },
    Asset { name: "console.js", media_type: JAVASCRIPT, content: include_bytes!("../../assets/console.js") },
    Asset {
        name: "htmx.min.js",
        media_type: JAVASCRIPT,
        content: include_bytes!("../../assets/htmx.min.js"),
    },
    Asset {
        name: "htmx-sse.min.js",
        media_type: JAVASCRIPT,
        content: include_bytes!("../../assets/htmx-sse.min.js"),
    },
    Asset { name: "icon.svg", media_type: "image/svg+xml", content: include_bytes!("../../assets/icon.svg") },
];
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Each file with its address.
static URLS: LazyLock<Vec<(String, &Asset)>> = LazyLock::new(|| {
    let url = |asset: &Asset| {
        let hash = hex::encode(Sha256::digest(asset.content));
        format!("/assets/{}-{}", hash.get(..HASH_DIGITS).unwrap_or(&hash), asset.name)
    };
    ASSETS.iter().map(|asset| (url(asset), asset)).collect()
});

/// The address of a file; of none when there is no such file, which a test would find.
pub(super) fn url(name: &str) -> &'static str {
    URLS.iter().find(|(_, asset)| asset.name == name).map_or("", |(url, _)| url)
}

/// A file.
pub(super) async fn asset(name: web::Path<String>) -> Result<HttpResponse, PageError> {
    let wanted = format!("/assets/{name}");
    let (_, asset) = URLS.iter().find(|(url, _)| *url == wanted).ok_or(PageError::NoSuchPage)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, asset.media_type))
        .insert_header((header::CACHE_CONTROL, FOR_EVER))
        .body(asset.content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_an_address_of_its_own() {
        let urls: std::collections::BTreeSet<_> = ASSETS.iter().map(|asset| url(asset.name)).collect();
        assert_eq!(urls.len(), ASSETS.len());
        assert!(url("console.css").starts_with("/assets/") && url("console.css").ends_with("-console.css"));
        assert_eq!(url("nothing.css"), "");
    }
}
