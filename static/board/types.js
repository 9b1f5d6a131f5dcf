/**
 * Types of what the server sends (the contract is in `contracts/`); no code.
 *
 * @typedef {{ id: string, name: string }} Named
 * @typedef {{ site: Named, building: Named, floor: Named,
 *             room: { id: string, room_number: string, name: string|null } }} Place
 * @typedef {{ pressed_at: string|null, arrived_at: string|null, stored_at: string|null,
 *             acted_at: string|null, received_at: string|null }} Hops
 * @typedef {{
 *   id: string, alert_id: string, organization_id: string,
 *   alert_type: string, severity: "low"|"medium"|"high"|"critical",
 *   status: "new"|"acknowledged"|"resolved"|"cancelled", source: "button"|"mobile"|"web"|"api",
 *   is_drill: boolean, is_silent: boolean, is_late: boolean, is_unattributed: boolean,
 *   device: { id: string|null, device_id: string }|null, place: Place|null,
 *   triggered_at: string, received_at: string, presses: number, last_pressed_at: string,
 *   acknowledged_at: string|null, acknowledged_by: Named|null,
 *   resolved_at: string|null, resolved_by: Named|null,
 *   approvals: { given: number, required: 1|2, by: Named[] },
 *   close_reason: null|"real"|"drill"|"test"|"mistake"|"fault", hops: Hops,
 * }} Alert
 * @typedef {{ id: string, device: string|null, gateway: Named|null, kind: string, detail: string|null,
 *             since: string }} Trouble
 * @typedef {{ device_id: string, building_id: string|null, room: string|null,
 *             armed_at: string, expires_at: string }} Armed
 *
 * The data that the page was rendered with (`board-data`):
 * @typedef {{ label: string, saying: string, outside: string|null }} TypeWords
 * @typedef {{
 *   organization: Named, me: Named, mayAct: boolean, maySeeDevices: boolean,
 *   epoch: string, cursor: number, renderedAt: string, complete: boolean,
 *   addresses: Record<string, string>,  site id -> street address
 *   alerts: Alert[], troubles: Trouble[], armed: Armed[], gravity: string[], types: Record<string, TypeWords>,
 *   urls: { feed: string, alerts: string, drills: string, troubles: string, login: string },
 * }} BoardData
 */
export {};
