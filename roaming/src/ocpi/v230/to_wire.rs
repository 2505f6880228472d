//! Nouns into OCPI 2.3.0 where it says more than 2.2.1, whose objects the rest is made from ([`super::bridge`]).

use ringmain_domain::tariff;
use ringmain_store::partners::PartnerRole;

use super::bridge;
use crate::ocpi::v221::to_wire;
use crate::ocpi::v230::types::{Tariff, TaxIncluded};
use crate::ocpi::values::Number;

/// A tariff with its prices as they were set: `tax_included` says what they are (OCPI 2.3.0 mod_tariffs, TaxIncluded), so no tax is taken
/// out and nothing is rounded.
#[must_use]
pub fn tariff(ours: &PartnerRole, from: &tariff::Tariff) -> Tariff {
    let mut tariff = bridge::tariff_up(to_wire::tariff::tariff(ours, from));
    let is_taxed = from.tax_included != tariff::TaxIncluded::NotApplicable;
    for (element, own) in tariff.elements.iter_mut().zip(&from.elements) {
        for (component, own) in element.price_components.iter_mut().zip(&own.components) {
            component.price = Number(own.price);
            component.vat = own.tax_percent.filter(|_| is_taxed).map(Number);
        }
    }
    tariff.tax_included = match from.tax_included {
        tariff::TaxIncluded::Yes => TaxIncluded::Yes,
        tariff::TaxIncluded::No => TaxIncluded::No,
        tariff::TaxIncluded::NotApplicable => TaxIncluded::NotApplicable,
    };
    tariff
}
