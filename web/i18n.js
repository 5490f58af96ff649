// Every string of the page in every language, and how numbers, times and plurals are written.

const en = {
  tagline: 'Secure messaging for care teams and patients',
  signInTitle: 'Choose who to sign in as',
  signInNote: 'Demo mode: nobody needs a password here. Open a second window to be two people at once.',
  tokenTitle: 'Sign in with an access token',
  tokenLabel: 'Access token',
  tokenNote: 'It is kept in this tab only and forgotten when you close it.',
  signIn: 'Sign in',
  signOut: 'Sign out',
  signedOut: 'You were signed out. Please sign in again.',
  unreachable: 'The server cannot be reached.',
  tryNow: 'Try now',
  language: 'العربية',
  toDark: 'Dark theme',
  toLight: 'Light theme',
  conversations: 'Conversations',
  newChat: 'New chat',
  noConversations: 'No conversations yet',
  noConversationsHint: 'Start one with “New chat”.',
  pickOne: 'Pick a conversation to read it here',
  pickOneHint: 'Messages that you write while offline are kept and sent when the connection is back.',
  contacts: 'Start a chat with…',
  noContacts: 'There is nobody you can write to yet.',
  close: 'Close',
  cancel: 'Cancel',
  back: 'Back to conversations',
  messages: 'Messages',
  composer: 'Message',
  composerHint: 'Write a message…',
  send: 'Send',
  save: 'Save',
  readOnly: 'This conversation is read-only. You can still read its history.',
  connecting: 'Connecting…',
  online: 'Connected',
  offline: 'Not connected',
  replaced: 'Bedside was opened in too many windows; this one was disconnected.',
  reconnecting: { one: 'Connection lost. Trying again in {n} second. Messages are kept.', other: 'Connection lost. Trying again in {n} seconds. Messages are kept.' },
  reconnectingNow: 'Connection lost. Trying again now. Messages are kept.',
  unread: { one: '{n} unread message', other: '{n} unread messages' },
  newBelow: { one: '{n} new message', other: '{n} new messages' },
  newDivider: 'New messages',
  members: { one: '{n} member', other: '{n} members' },
  typingOne: '{name} is typing…',
  typingMany: 'Several people are typing…',
  presenceOnline: 'Online',
  presenceBusy: 'Busy',
  presenceAway: 'Away',
  presenceOffline: 'Offline',
  lastSeen: 'Last seen {time}',
  pending: 'Waiting to be sent',
  sending: 'Being sent',
  confirm: 'Not sent',
  failed: 'Not sent',
  stored: 'Sent',
  delivered: 'Delivered',
  read: 'Read',
  edited: 'edited',
  deleted: 'This message was deleted',
  you: 'You',
  youSaid: 'You: {text}',
  writtenReceived: 'written {written}, received {received}',
  confirmText: 'Written {time}, not sent. Send it now?',
  sendNow: 'Send now',
  discard: 'Discard',
  retry: 'Try again',
  unsentMark: 'Has messages that were not sent',
  actions: 'Message actions',
  reply: 'Reply',
  edit: 'Edit',
  delete: 'Delete',
  copy: 'Copy text',
  deleteAsk: 'Delete this message for everyone?',
  editing: 'Editing your message',
  replyingTo: 'Replying to {name}',
  reactWith: 'React with {emoji}',
  reactions: { one: '{emoji}: {n} person', other: '{emoji}: {n} people' },
  attachment: 'Attachment',
  said: '{name}: {text}',
  system: 'Clinic',
  older: 'Loading earlier messages…',
  start: 'This is the beginning of the conversation',
  change_created: 'Conversation started',
  change_updated: 'The title is now “{title}”',
  change_member_added: '{name} joined',
  change_member_removed: '{name} was removed',
  change_member_left: '{name} left',
  change_read_only: 'This conversation is now read-only',
  change_open: 'This conversation is open again',
  someone: 'Someone',
  kind_care_team: 'Care team',
  kind_family_update: 'Family updates',
  kind_internal_staff: 'Staff',
  kind_broadcast: 'Broadcast',
  kind_consultation: 'Consultation',
  kind_direct: 'Direct chat',
  role_patient: 'Patient',
  role_doctor: 'Doctor',
  role_nurse: 'Nurse',
  role_assistant: 'Assistant',
  role_pharmacy: 'Pharmacy',
  role_family: 'Family',
  role_admin: 'Administrator',
  role_service: 'Service',
  error_forbidden: 'You may not do this.',
  error_not_a_member: 'You are no longer a member of this conversation.',
  error_not_found: 'This is no longer there.',
  error_invalid_argument: 'The server did not accept this.',
  error_too_large: 'This is too long.',
  error_conflict: 'This does not fit what is stored.',
  error_rate_limited: 'Too fast. Please wait a moment.',
  error_unavailable: 'The server cannot do this now. Please try again.',
  error_timeout: 'The server did not answer. Please try again.',
  error_disconnected: 'There is no connection. Please try again when it is back.',
  error_other: 'This did not work.',
};

const ar = {
  tagline: 'مراسلة آمنة لفرق الرعاية والمرضى',
  signInTitle: 'اختر الحساب الذي تريد الدخول به',
  signInNote: 'وضع تجريبي: لا حاجة إلى كلمة مرور هنا. افتح نافذة ثانية لتكون شخصين معًا.',
  tokenTitle: 'تسجيل الدخول برمز وصول',
  tokenLabel: 'رمز الوصول',
  tokenNote: 'يُحفظ في هذا اللسان فقط ويُنسى عند إغلاقه.',
  signIn: 'تسجيل الدخول',
  signOut: 'تسجيل الخروج',
  signedOut: 'لقد سُجّل خروجك. يُرجى تسجيل الدخول من جديد.',
  unreachable: 'يتعذّر الوصول إلى الخادم.',
  tryNow: 'حاول الآن',
  language: 'English',
  toDark: 'المظهر الداكن',
  toLight: 'المظهر الفاتح',
  conversations: 'المحادثات',
  newChat: 'محادثة جديدة',
  noConversations: 'لا توجد محادثات بعد',
  noConversationsHint: 'ابدأ واحدة عبر «محادثة جديدة».',
  pickOne: 'اختر محادثة لقراءتها هنا',
  pickOneHint: 'الرسائل التي تكتبها دون اتصال تُحفظ وتُرسل عند عودة الاتصال.',
  contacts: 'ابدأ محادثة مع…',
  noContacts: 'لا يوجد من يمكنك مراسلته بعد.',
  close: 'إغلاق',
  cancel: 'إلغاء',
  back: 'العودة إلى المحادثات',
  messages: 'الرسائل',
  composer: 'الرسالة',
  composerHint: 'اكتب رسالة…',
  send: 'إرسال',
  save: 'حفظ',
  readOnly: 'هذه المحادثة للقراءة فقط. ما زال بإمكانك قراءة سجلّها.',
  connecting: 'جارٍ الاتصال…',
  online: 'متصل',
  offline: 'غير متصل',
  replaced: 'فُتح Bedside في نوافذ كثيرة، فقُطع اتصال هذه النافذة.',
  reconnecting: {
    zero: 'انقطع الاتصال. إعادة المحاولة الآن. رسائلك محفوظة.',
    one: 'انقطع الاتصال. إعادة المحاولة خلال ثانية واحدة. رسائلك محفوظة.',
    two: 'انقطع الاتصال. إعادة المحاولة خلال ثانيتين. رسائلك محفوظة.',
    few: 'انقطع الاتصال. إعادة المحاولة خلال {n} ثوانٍ. رسائلك محفوظة.',
    many: 'انقطع الاتصال. إعادة المحاولة خلال {n} ثانية. رسائلك محفوظة.',
    other: 'انقطع الاتصال. إعادة المحاولة خلال {n} ثانية. رسائلك محفوظة.',
  },
  reconnectingNow: 'انقطع الاتصال. إعادة المحاولة الآن. رسائلك محفوظة.',
  unread: {
    zero: 'لا رسائل غير مقروءة', one: 'رسالة واحدة غير مقروءة', two: 'رسالتان غير مقروءتين',
    few: '{n} رسائل غير مقروءة', many: '{n} رسالة غير مقروءة', other: '{n} رسالة غير مقروءة',
  },
  newBelow: {
    zero: 'لا رسائل جديدة', one: 'رسالة جديدة', two: 'رسالتان جديدتان',
    few: '{n} رسائل جديدة', many: '{n} رسالة جديدة', other: '{n} رسالة جديدة',
  },
  newDivider: 'رسائل جديدة',
  members: {
    zero: 'لا أعضاء', one: 'عضو واحد', two: 'عضوان', few: '{n} أعضاء', many: '{n} عضوًا', other: '{n} عضو',
  },
  typingOne: '{name} يكتب الآن…',
  typingMany: 'عدّة أشخاص يكتبون الآن…',
  presenceOnline: 'متصل الآن',
  presenceBusy: 'مشغول',
  presenceAway: 'بعيد عن الجهاز',
  presenceOffline: 'غير متصل',
  lastSeen: 'آخر ظهور {time}',
  pending: 'بانتظار الإرسال',
  sending: 'قيد الإرسال',
  confirm: 'لم تُرسل',
  failed: 'لم تُرسل',
  stored: 'أُرسلت',
  delivered: 'وصلت',
  read: 'قُرئت',
  edited: 'معدّلة',
  deleted: 'حُذفت هذه الرسالة',
  you: 'أنت',
  youSaid: 'أنت: {text}',
  writtenReceived: 'كُتبت {written}، واستُلمت {received}',
  confirmText: 'كُتبت {time} ولم تُرسل. هل تريد إرسالها الآن؟',
  sendNow: 'إرسال الآن',
  discard: 'تجاهل',
  retry: 'إعادة المحاولة',
  unsentMark: 'فيها رسائل لم تُرسل',
  actions: 'خيارات الرسالة',
  reply: 'رد',
  edit: 'تعديل',
  delete: 'حذف',
  copy: 'نسخ النص',
  deleteAsk: 'هل تريد حذف هذه الرسالة لدى الجميع؟',
  editing: 'تعديل رسالتك',
  replyingTo: 'رد على {name}',
  reactWith: 'تفاعل بـ {emoji}',
  reactions: {
    zero: '{emoji}: لا أحد', one: '{emoji}: شخص واحد', two: '{emoji}: شخصان',
    few: '{emoji}: {n} أشخاص', many: '{emoji}: {n} شخصًا', other: '{emoji}: {n} شخص',
  },
  attachment: 'مرفق',
  said: '{name}: {text}',
  system: 'العيادة',
  older: 'جارٍ تحميل رسائل أقدم…',
  start: 'هذه بداية المحادثة',
  change_created: 'بدأت المحادثة',
  change_updated: 'أصبح العنوان «{title}»',
  change_member_added: 'انضم {name}',
  change_member_removed: 'أُزيل {name}',
  change_member_left: 'غادر {name}',
  change_read_only: 'أصبحت هذه المحادثة للقراءة فقط',
  change_open: 'فُتحت هذه المحادثة من جديد',
  someone: 'شخص ما',
  kind_care_team: 'فريق الرعاية',
  kind_family_update: 'مستجدات العائلة',
  kind_internal_staff: 'الطاقم',
  kind_broadcast: 'بث',
  kind_consultation: 'استشارة',
  kind_direct: 'محادثة مباشرة',
  role_patient: 'مريض',
  role_doctor: 'طبيب',
  role_nurse: 'تمريض',
  role_assistant: 'مساعد',
  role_pharmacy: 'صيدلية',
  role_family: 'عائلة',
  role_admin: 'إدارة',
  role_service: 'خدمة',
  error_forbidden: 'لا يُسمح لك بهذا.',
  error_not_a_member: 'لم تعد عضوًا في هذه المحادثة.',
  error_not_found: 'لم يعد هذا موجودًا.',
  error_invalid_argument: 'لم يقبل الخادم هذا.',
  error_too_large: 'هذا أطول من اللازم.',
  error_conflict: 'لا يتوافق هذا مع ما هو محفوظ.',
  error_rate_limited: 'بسرعة زائدة. انتظر لحظة من فضلك.',
  error_unavailable: 'لا يستطيع الخادم فعل هذا الآن. حاول من جديد.',
  error_timeout: 'لم يجب الخادم. حاول من جديد.',
  error_disconnected: 'لا يوجد اتصال. حاول من جديد عند عودته.',
  error_other: 'لم ينجح ذلك.',
};

const LANGUAGES = { en, ar };
// Outside the `bedside:` prefix, which belongs to users and goes when they sign out.
const KEPT_AS = 'bedside-language';

let language = 'en';
let formats;

export const currentLanguage = () => language;
export const otherLanguage = () => (language === 'ar' ? 'en' : 'ar');

export function setLanguage(wanted) {
  language = wanted in LANGUAGES ? wanted : 'en';
  document.documentElement.lang = language;
  document.documentElement.dir = language === 'ar' ? 'rtl' : 'ltr';
  try {
    localStorage.setItem(KEPT_AS, language);
  } catch { /* lasts as long as the page */ }
  const date = (options) => new Intl.DateTimeFormat(language, options);
  formats = {
    number: new Intl.NumberFormat(language),
    plural: new Intl.PluralRules(language),
    relative: new Intl.RelativeTimeFormat(language, { numeric: 'auto' }),
    time: date({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    weekday: date({ weekday: 'long' }),
    day: date({ day: 'numeric', month: 'long' }),
    dayOfYear: date({ day: 'numeric', month: 'long', year: 'numeric' }),
    short: date({ day: 'numeric', month: 'numeric', year: '2-digit' }),
  };
}

export function startLanguage() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEPT_AS);
  } catch { /* none */ }
  setLanguage(kept ?? (navigator.language.startsWith('ar') ? 'ar' : 'en'));
}

/** The text under `key`; `{n}` chooses the plural form. */
export function t(key, values = {}) {
  let text = LANGUAGES[language][key] ?? en[key] ?? key;
  if (typeof text === 'object') text = text[formats.plural.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => (name === 'n' ? number(values.n) : values[name] ?? ''));
}

export const has = (key) => key in en;
export const number = (n) => formats.number.format(n);
export const time = (iso) => formats.time.format(new Date(iso));

/** Whole calendar days from then to now, here: yesterday is 1. */
function daysAgo(iso) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(new Date()) - midnight(new Date(iso))) / 86_400_000);
}

const capital = (text) => text.charAt(0).toLocaleUpperCase(language) + text.slice(1);

/** As a heading over a day's messages. */
export function day(iso) {
  const ago = daysAgo(iso);
  if (ago === 0 || ago === 1) return capital(formats.relative.format(-ago, 'day'));
  if (ago > 1 && ago < 7) return capital(formats.weekday.format(new Date(iso)));
  const sameYear = new Date(iso).getFullYear() === new Date().getFullYear();
  return formats[sameYear ? 'day' : 'dayOfYear'].format(new Date(iso));
}

/** As short as it can be and still be told apart: for lists. */
export function when(iso) {
  const ago = daysAgo(iso);
  if (ago === 0) return time(iso);
  if (ago === 1) return capital(formats.relative.format(-1, 'day'));
  return ago < 7 ? formats.weekday.format(new Date(iso)) : formats.short.format(new Date(iso));
}

/** With its day, unless that is today. */
export function dayAndTime(iso) {
  return daysAgo(iso) === 0 ? time(iso) : `${day(iso)} ${time(iso)}`;
}
