import "parley/lib/quiet_head"
import "@hotwired/turbo"
import { Application } from "@hotwired/stimulus"
import "parley/lib/theme"
import "parley/lib/dialogs"
import { live } from "parley/lib/live"
import { localise } from "parley/lib/time"
import ComposerController from "parley/controllers/composer_controller"
import FlashController from "parley/controllers/flash_controller"
import LiveController from "parley/controllers/live_controller"
import MessageController from "parley/controllers/message_controller"
import RoomController from "parley/controllers/room_controller"
import SidebarController from "parley/controllers/sidebar_controller"

document.documentElement.classList.add("js")

// `live` first: it takes over the page's cursors, which the others then follow.
const application = new Application(document.documentElement)
for (const [name, controller] of Object.entries({
  live: LiveController,
  sidebar: SidebarController,
  room: RoomController,
  message: MessageController,
  composer: ComposerController,
  flash: FlashController,
})) application.register(name, controller)
application.start()

// What no room needs comes with the first page that does; what stands in a dialog, when that is opened.
const LATER = {
  clipboard: () => import("parley/controllers/clipboard_controller"),
  codes: () => import("parley/controllers/codes_controller"),
  jump: () => import("parley/controllers/jump_controller"),
  passkey: () => import("parley/controllers/passkey_controller"),
  password: () => import("parley/controllers/password_controller"),
  wait: () => import("parley/controllers/wait_controller"),
  watch: () => import("parley/controllers/watch_controller"),
}

function bring() {
  for (const [name, load] of Object.entries(LATER)) {
    const places = [...document.querySelectorAll(`[data-controller~=${name}]`)]
    if (places.every((place) => place.closest("dialog:not([open])"))) continue
    delete LATER[name]
    load().then((module) => application.register(name, module.default)).catch(() => { LATER[name] = load })
  }
}

document.addEventListener("parley:open", bring, true)
document.addEventListener("turbo:render", bring)
bring()

document.addEventListener("turbo:load", () => {
  localise(document)
  if (!document.querySelector("[data-controller~=live]")) live.leave()
})
setInterval(() => localise(document), 60_000)
