//! Between 2.2.1 and 2.3.0, for a hub with partners of both. Both directions are total: nothing is refused for its version.
//!
//! **Lost on the way to 2.2.1**, because there is no field: places to park and where a vehicle stands, help by phone, the companies an EVSE
//! accepts, what a connector can do, the amount a terminal reserves, names, rates and account numbers of taxes (their sum stays), and whether
//! a price with taxes was meant with them: such a tariff is written with its prices before taxes, to six decimals; `N/A` becomes prices
//! without taxes. Of a hub's credentials its party becomes a role HUB.
//!
//! **Lost on the way to 2.3.0**: that the taxes of an amount are not known (no `incl_vat`) looks like no taxes. Everything else has a field;
//! a tax is called `VAT`. The role HUB becomes `hub_party_id`, and only the first one can.
//!
//! Words that only one version lists pass unchanged, because the lists are open: connector types MCS and SAE_J3400, tokens of type EMAID.
//! `last_updated` is never touched.

use rust_decimal::Decimal;

use crate::ocpi::v221::types as v221;
use crate::ocpi::v221::types::cdr::Cdr;
use crate::ocpi::v221::types::credentials::{CredentialsRole, Role};
use crate::ocpi::v221::types::location::BusinessDetails;
use crate::ocpi::v221::types::session::Session;
use crate::ocpi::v221::types::tariff::{Price, PriceComponent, Tariff, TariffElement};
use crate::ocpi::v230::types as v230;
use crate::ocpi::v230::types::{PriceLimit, TaxAmount, TaxIncluded};
use crate::ocpi::values::{CiString, Number};

pub mod location;

/// The name of a tax that 2.2.1 has no name for.
const TAX: &str = "VAT";
/// Decimals of a price from which taxes had to be taken out.
const NET_DIGITS: u32 = 6;

// === amounts ===

/// An amount with the taxes that 2.2.1 knows.
#[must_use]
pub fn price_up(from: Price) -> v230::Price {
    let tax = from.incl_vat.and_then(|with| with.0.checked_sub(from.excl_vat.0)).filter(|tax| !tax.is_zero());
    let taxes = tax.map(|amount| TaxAmount {
        name: TAX.to_owned(),
        account_number: None,
        percentage: None,
        amount: Number(amount),
    });
    v230::Price { before_taxes: from.excl_vat, taxes: taxes.into_iter().collect() }
}

/// An amount with the sum of its taxes.
#[must_use]
pub fn price_down(from: &v230::Price) -> Price {
    let add = |sum: Decimal, tax: &TaxAmount| sum.checked_add(tax.amount.0);
    let with = from.taxes.iter().try_fold(from.before_taxes.0, add);
    Price { excl_vat: from.before_taxes, incl_vat: with.map(Number) }
}

fn limit_up(from: Price) -> PriceLimit {
    PriceLimit { before_taxes: from.excl_vat, after_taxes: from.incl_vat }
}

fn limit_down(from: PriceLimit) -> Price {
    Price { excl_vat: from.before_taxes, incl_vat: from.after_taxes }
}

// === tariffs ===

/// A tariff; prices of 2.2.1 never include taxes.
#[must_use]
pub fn tariff_up(from: Tariff) -> v230::Tariff {
    v230::Tariff {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        currency: from.currency,
        kind: from.kind,
        tariff_alt_text: from.tariff_alt_text,
        tariff_alt_url: from.tariff_alt_url,
        min_price: from.min_price.map(limit_up),
        max_price: from.max_price.map(limit_up),
        preauthorize_amount: None,
        elements: from.elements,
        tax_included: TaxIncluded::No,
        start_date_time: from.start_date_time,
        end_date_time: from.end_date_time,
        energy_mix: from.energy_mix,
        last_updated: from.last_updated,
    }
}

/// A tariff with its prices before taxes.
#[must_use]
pub fn tariff_down(from: v230::Tariff) -> Tariff {
    let tax_included = from.tax_included;
    Tariff {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        currency: from.currency,
        kind: from.kind,
        tariff_alt_text: from.tariff_alt_text,
        tariff_alt_url: from.tariff_alt_url,
        min_price: from.min_price.map(limit_down),
        max_price: from.max_price.map(limit_down),
        elements: from.elements.into_iter().map(|element| element_down(element, tax_included)).collect(),
        start_date_time: from.start_date_time,
        end_date_time: from.end_date_time,
        energy_mix: from.energy_mix,
        last_updated: from.last_updated,
    }
}

fn element_down(from: TariffElement, tax_included: TaxIncluded) -> TariffElement {
    let component = |from: PriceComponent| match tax_included {
        TaxIncluded::No => from,
        TaxIncluded::Yes => PriceComponent { price: net(from.price, from.vat), ..from },
        TaxIncluded::NotApplicable => PriceComponent { vat: None, ..from },
    };
    TariffElement { price_components: from.price_components.into_iter().map(component).collect(), ..from }
}

fn net(price: Number, vat: Option<Number>) -> Number {
    let Some(vat) = vat.filter(|vat| !vat.0.is_zero()) else { return price };
    let rate = Decimal::ONE + vat.0 / Decimal::ONE_HUNDRED;
    price.0.checked_div(rate).map_or(price, |net| Number(net.round_dp(NET_DIGITS).normalize()))
}

// === sessions and bill records ===

/// A session.
#[must_use]
pub fn session_up(from: Session) -> v230::Session {
    v230::Session {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        start_date_time: from.start_date_time,
        end_date_time: from.end_date_time,
        kwh: from.kwh,
        cdr_token: from.cdr_token,
        auth_method: from.auth_method,
        authorization_reference: from.authorization_reference,
        location_id: from.location_id,
        evse_uid: from.evse_uid,
        connector_id: from.connector_id,
        meter_id: from.meter_id,
        currency: from.currency,
        charging_periods: from.charging_periods,
        total_cost: from.total_cost.map(price_up),
        status: from.status,
        last_updated: from.last_updated,
    }
}

/// A session.
#[must_use]
pub fn session_down(from: v230::Session) -> Session {
    Session {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        start_date_time: from.start_date_time,
        end_date_time: from.end_date_time,
        kwh: from.kwh,
        cdr_token: from.cdr_token,
        auth_method: from.auth_method,
        authorization_reference: from.authorization_reference,
        location_id: from.location_id,
        evse_uid: from.evse_uid,
        connector_id: from.connector_id,
        meter_id: from.meter_id,
        currency: from.currency,
        charging_periods: from.charging_periods,
        total_cost: from.total_cost.as_ref().map(price_down),
        status: from.status,
        last_updated: from.last_updated,
    }
}

/// A bill record.
#[must_use]
pub fn cdr_up(from: Cdr) -> v230::Cdr {
    v230::Cdr {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        start_date_time: from.start_date_time,
        end_date_time: from.end_date_time,
        session_id: from.session_id,
        cdr_token: from.cdr_token,
        auth_method: from.auth_method,
        authorization_reference: from.authorization_reference,
        cdr_location: from.cdr_location,
        meter_id: from.meter_id,
        currency: from.currency,
        tariffs: from.tariffs.into_iter().map(tariff_up).collect(),
        charging_periods: from.charging_periods,
        signed_data: from.signed_data,
        total_cost: price_up(from.total_cost),
        total_fixed_cost: from.total_fixed_cost.map(price_up),
        total_energy: from.total_energy,
        total_energy_cost: from.total_energy_cost.map(price_up),
        total_time: from.total_time,
        total_time_cost: from.total_time_cost.map(price_up),
        total_parking_time: from.total_parking_time,
        total_parking_cost: from.total_parking_cost.map(price_up),
        total_reservation_cost: from.total_reservation_cost.map(price_up),
        remark: from.remark,
        invoice_reference_id: from.invoice_reference_id,
        credit: from.credit,
        credit_reference_id: from.credit_reference_id,
        home_charging_compensation: from.home_charging_compensation,
        last_updated: from.last_updated,
    }
}

/// A bill record.
#[must_use]
pub fn cdr_down(from: v230::Cdr) -> Cdr {
    let price = |price: Option<v230::Price>| price.as_ref().map(price_down);
    Cdr {
        country_code: from.country_code,
        party_id: from.party_id,
        id: from.id,
        start_date_time: from.start_date_time,
        end_date_time: from.end_date_time,
        session_id: from.session_id,
        cdr_token: from.cdr_token,
        auth_method: from.auth_method,
        authorization_reference: from.authorization_reference,
        cdr_location: from.cdr_location,
        meter_id: from.meter_id,
        currency: from.currency,
        tariffs: from.tariffs.into_iter().map(tariff_down).collect(),
        charging_periods: from.charging_periods,
        signed_data: from.signed_data,
        total_cost: price_down(&from.total_cost),
        total_fixed_cost: price(from.total_fixed_cost),
        total_energy: from.total_energy,
        total_energy_cost: price(from.total_energy_cost),
        total_time: from.total_time,
        total_time_cost: price(from.total_time_cost),
        total_parking_time: from.total_parking_time,
        total_parking_cost: price(from.total_parking_cost),
        total_reservation_cost: price(from.total_reservation_cost),
        remark: from.remark,
        invoice_reference_id: from.invoice_reference_id,
        credit: from.credit,
        credit_reference_id: from.credit_reference_id,
        home_charging_compensation: from.home_charging_compensation,
        last_updated: from.last_updated,
    }
}

// === credentials ===

/// Credentials: the role HUB becomes the hub's party.
#[must_use]
pub fn credentials_up(from: v221::credentials::Credentials) -> v230::Credentials {
    let (hubs, roles): (Vec<_>, Vec<_>) = from.roles.into_iter().partition(|role| role.role == Role::Hub);
    let hub_party_id = hubs.first().map(|hub| (&*format!("{}{}", hub.country_code, hub.party_id)).into());
    v230::Credentials { token: from.token, url: from.url, hub_party_id, roles }
}

/// Credentials: a hub has the one role HUB, under `hub_name`, because the parties behind it are told of one by one (`mod_hub_client_info`).
#[must_use]
pub fn credentials_down(from: v230::Credentials, hub_name: &str) -> v221::credentials::Credentials {
    let hub = from.hub_party_id.as_ref().and_then(party).map(|(country_code, party_id)| CredentialsRole {
        role: Role::Hub,
        business_details: BusinessDetails { name: hub_name.to_owned(), website: None, logo: None },
        party_id,
        country_code,
    });
    let roles = hub.map_or(from.roles, |hub| vec![hub]);
    v221::credentials::Credentials { token: from.token, url: from.url, roles }
}

/// Country code and party id out of the five characters of `hub_party_id`.
#[must_use]
pub fn party(id: &CiString) -> Option<(CiString, CiString)> {
    let (country_code, party_id) = id.as_str().split_at_checked(2)?;
    (party_id.len() == 3).then(|| (country_code.into(), party_id.into()))
}
