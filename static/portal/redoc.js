const place = document.getElementById("reference");
const { nonce } = document.currentScript;
Redoc.init(place.dataset.document, { nonce, hideLogo: true, nativeScrollbars: true }, place);
