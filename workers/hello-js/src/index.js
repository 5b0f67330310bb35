// The Worker's entry: hand every request to the routes.

import { answer } from "./routes.js";

export default { fetch: answer };
