"""OCPP 1.6: a charge begun at the station, then one begun and ended by an operator."""

import asyncio

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

TOKEN = "A1"


class Station(ChargePoint):
    def __init__(self, identity, socket):
        super().__init__(identity, socket)
        self.starts = asyncio.Queue()
        self.stops = asyncio.Queue()

    @on("RemoteStartTransaction")
    def on_start(self, id_tag, connector_id=None):
        self.starts.put_nowait((id_tag, connector_id))
        return call_result.RemoteStartTransaction(status="Accepted")

    @on("RemoteStopTransaction")
    def on_stop(self, transaction_id):
        self.stops.put_nowait(transaction_id)
        return call_result.RemoteStopTransaction(status="Accepted")

    async def ask(self, payload):
        """A call of ours; an error in answer is an error here."""
        return await self.call(payload, suppress=False)

    async def story(self, tell):
        boot = await self.ask(
            call.BootNotification(charge_point_vendor="Python", charge_point_model="ocpp", firmware_version="2.1.0")
        )
        assert boot.status == "Accepted", boot
        await self.show("Available")
        authorized = await self.ask(call.Authorize(id_tag=TOKEN))
        assert authorized.id_tag_info["status"] == "Accepted", authorized
        unknown = await self.ask(call.Authorize(id_tag="NOBODY"))
        assert unknown.id_tag_info["status"] == "Invalid", unknown

        number = await self.begin(TOKEN, 1000, "2026-03-01T08:00:00Z")
        await self.measure(number, "2500", "2026-03-01T08:15:00Z")
        await self.measure(number, "4250", "2026-03-01T08:30:00Z")
        await self.end(number, 6000, "2026-03-01T09:00:00Z", "Local")

        tell("ready")
        token, connector = await self.starts.get()
        assert (token, connector) == (TOKEN, 1), (token, connector)
        number = await self.begin(token, 6000, "2026-03-01T10:00:00Z")
        await self.measure(number, "7000", "2026-03-01T10:30:00Z")
        tell("started", str(number))
        ordered = await self.stops.get()
        assert ordered == number, (ordered, number)
        await self.end(number, 8000, "2026-03-01T11:00:00Z", "Remote")
        await self.show("Available")
        heartbeat = await self.ask(call.Heartbeat())
        assert heartbeat.current_time.endswith("Z"), heartbeat

    async def show(self, status):
        await self.ask(call.StatusNotification(connector_id=1, error_code="NoError", status=status))

    async def begin(self, token, register, at):
        started = await self.ask(
            call.StartTransaction(connector_id=1, id_tag=token, meter_start=register, timestamp=at)
        )
        assert started.id_tag_info["status"] == "Accepted", started
        await self.show("Charging")
        return started.transaction_id

    async def measure(self, number, register, at):
        sampled = [
            {"value": register, "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
            {"value": "7360", "measurand": "Power.Active.Import", "unit": "W"},
        ]
        values = [{"timestamp": at, "sampled_value": sampled}]
        await self.ask(call.MeterValues(connector_id=1, transaction_id=number, meter_value=values))

    async def end(self, number, register, at, reason):
        await self.ask(
            call.StopTransaction(transaction_id=number, meter_stop=register, timestamp=at, reason=reason, id_tag=TOKEN)
        )
