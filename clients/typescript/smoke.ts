// Sign in and read the place tree, with nothing but the generated types: node smoke.js URL EMAIL PASSWORD
import createClient from "openapi-fetch";
import type { components, paths } from "./safesignal.js";

type Problem = components["schemas"]["Problem"];

function dataOf<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.error?.code}: ${answer.error?.detail}`);
  }
  return answer.data;
}

const [baseUrl = "", email = "", password = ""] = process.argv.slice(2);
const pair = dataOf(await createClient<paths>({ baseUrl }).POST("/api/v1/auth/login", { body: { email, password } }));
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${pair.access}` } });
const page = dataOf(await client.GET("/api/v1/organizations"));
for (const organization of page.results) {
  const path = { organization_id: organization.id };
  const tree = dataOf(await client.GET("/api/v1/organizations/{organization_id}/tree", { params: { path } }));
  const rooms = tree.sites.flatMap((site) =>
    site.buildings.flatMap((building) => building.floors.flatMap((floor) => floor.rooms)),
  );
  console.log(`${organization.name}: ${tree.sites.length} site, ${rooms.length} rooms, first ${rooms[0]?.name}`);
}
