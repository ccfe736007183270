import "parley/lib/quiet_head"
import "@hotwired/turbo"
import { Application } from "@hotwired/stimulus"
import "parley/lib/theme"
import "parley/lib/dialogs"
import { live } from "parley/lib/live"
import { localise } from "parley/lib/time"
import ClipboardController from "parley/controllers/clipboard_controller"
import CodesController from "parley/controllers/codes_controller"
import ComposerController from "parley/controllers/composer_controller"
import FlashController from "parley/controllers/flash_controller"
import JumpController from "parley/controllers/jump_controller"
import LiveController from "parley/controllers/live_controller"
import MessageController from "parley/controllers/message_controller"
import PasskeyController from "parley/controllers/passkey_controller"
import PasswordController from "parley/controllers/password_controller"
import RoomController from "parley/controllers/room_controller"
import SidebarController from "parley/controllers/sidebar_controller"
import WaitController from "parley/controllers/wait_controller"
import WatchController from "parley/controllers/watch_controller"

document.documentElement.classList.add("js")

// `live` first: it takes over the page's cursors, which the others then follow.
const application = new Application(document.documentElement)
for (const [name, controller] of Object.entries({
  live: LiveController,
  sidebar: SidebarController,
  room: RoomController,
  message: MessageController,
  composer: ComposerController,
  clipboard: ClipboardController,
  flash: FlashController,
  jump: JumpController,
  codes: CodesController,
  passkey: PasskeyController,
  password: PasswordController,
  wait: WaitController,
  watch: WatchController,
})) application.register(name, controller)
application.start()

document.addEventListener("turbo:load", () => {
  localise(document)
  if (!document.querySelector("[data-controller~=live]")) live.leave()
})
setInterval(() => localise(document), 60_000)
