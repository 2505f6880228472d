"""OCPP 2.0.1 and 2.1: a charge begun at the station, then one begun and ended by an operator."""

import asyncio

import ocpp.v201
import ocpp.v21
from ocpp.routing import on

TOKEN = {"id_token": "A1", "type": "ISO14443"}


class Story:
    """What both versions do alike; `_call` and `_call_result` are the version's own."""

    def __init__(self, identity, socket):
        super().__init__(identity, socket)
        self.starts = asyncio.Queue()
        self.stops = asyncio.Queue()
        self.number = 0

    @on("RequestStartTransaction")
    def on_start(self, id_token, remote_start_id, evse_id=None):
        self.starts.put_nowait((id_token, remote_start_id, evse_id))
        return self._call_result.RequestStartTransaction(status="Accepted")

    @on("RequestStopTransaction")
    def on_stop(self, transaction_id):
        self.stops.put_nowait(transaction_id)
        return self._call_result.RequestStopTransaction(status="Accepted")

    async def ask(self, name, **members):
        """A call of ours; an error in answer is an error here."""
        return await self.call(getattr(self._call, name)(**members), suppress=False)

    async def story(self, tell):
        about = {"vendor_name": "Python", "model": "ocpp", "firmware_version": "2.1.0"}
        boot = await self.ask("BootNotification", charging_station=about, reason="PowerUp")
        assert boot.status == "Accepted", boot
        await self.show("Available")
        authorized = await self.ask("Authorize", id_token=TOKEN)
        assert authorized.id_token_info["status"] == "Accepted", authorized
        unknown = await self.ask("Authorize", id_token={"id_token": "NOBODY", "type": "ISO14443"})
        assert unknown.id_token_info["status"] == "Unknown", unknown

        local = {"transaction_id": f"{self.id}-local"}
        started = await self.event("Started", local, "Authorized", 1000, "2026-03-01T08:00:00Z", TOKEN)
        assert started.id_token_info["status"] == "Accepted", started
        await self.event("Updated", local, "MeterValuePeriodic", 2500, "2026-03-01T08:15:00Z")
        await self.event("Updated", local, "MeterValuePeriodic", 4250, "2026-03-01T08:30:00Z")
        ended = await self.event("Ended", {**local, "stopped_reason": "Local"}, "StopAuthorized", 6000, "2026-03-01T09:00:00Z")
        assert float(ended.total_cost) == 4.17, ended

        tell("ready")
        token, start_id, evse = await self.starts.get()
        assert (token, evse) == ({"id_token": "A1", "type": "Central"}, 1), (token, evse)
        remote = {"transaction_id": f"{self.id}-remote", "remote_start_id": start_id}
        started = await self.event("Started", remote, "RemoteStart", 6000, "2026-03-01T10:00:00Z", token)
        assert started.id_token_info["status"] == "Accepted", started
        await self.event("Updated", remote, "MeterValuePeriodic", 7000, "2026-03-01T10:30:00Z")
        tell("started", remote["transaction_id"])
        ordered = await self.stops.get()
        assert ordered == remote["transaction_id"], ordered
        ended = await self.event("Ended", {**remote, "stopped_reason": "Remote"}, "RemoteStop", 8000, "2026-03-01T11:00:00Z")
        assert float(ended.total_cost) == 2.38, ended
        await self.show("Available")
        heartbeat = await self.ask("Heartbeat")
        assert heartbeat.current_time.endswith("Z"), heartbeat

    async def show(self, status):
        await self.ask(
            "StatusNotification",
            timestamp="2026-03-01T08:00:00Z",
            connector_status=status,
            evse_id=1,
            connector_id=1,
        )

    async def event(self, kind, info, trigger, register, at, token=None):
        self.number = 0 if kind == "Started" else self.number + 1
        values = [{"timestamp": at, "sampled_value": [{"value": register, "measurand": "Energy.Active.Import.Register"}]}]
        return await self.ask(
            "TransactionEvent",
            event_type=kind,
            timestamp=at,
            trigger_reason=trigger,
            seq_no=self.number,
            transaction_info=info,
            meter_value=values,
            evse={"id": 1, "connector_id": 1},
            id_token=token,
        )


class Station201(Story, ocpp.v201.ChargePoint):
    pass


class Station21(Story, ocpp.v21.ChargePoint):
    pass
