//! Seed 000: `/agora`, what a video client needs to join a consultation's call at Agora.
//!
//! Channel, uid and role follow from the membership. A client may name them, as those of the seed
//! do, but gets nothing that is not its own.

use actix_web::HttpResponse;
use bedside_actors::{
    node::MediaPass,
    ports::fallback::{
        FallbackCredentials, FallbackGrant, FallbackProvider, channel_of, consultation_of, uid_of,
    },
};
use bedside_protocol::{CommandError, ErrorCode};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use utoipa::ToSchema;

use super::{
    auth::Me,
    input::Body,
    openapi::{Routes, at, bounds, one, op},
    parts::{HttpParts, Parts},
    problem::{PlainProblem, Problem},
};
use crate::seeds::SeedId;

type Answer = Result<HttpResponse, PlainProblem>;

/// How long a token lets somebody join, as in the seed.
const TOKEN_LASTS: Duration = Duration::from_secs(3_600);

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under("Consultations (seed 000)")
        .add(
            at("/agora/token").post(
                token,
                op("A token for the call at Agora")
                    .about(
                        "For the participants of a consultation that is not over. The `uid` is the \
                     caller's own: their id, if that is a number below 2^31, else one that is \
                     made of it; `0`, or none, stands for it. Observers subscribe, others publish. \
                     503 where the server has no keys of a project at Agora.",
                    )
                    .ok(one::<Credentials>)
                    .or(404)
                    .or(409),
            ),
        )
        .add(
            at("/agora/channel").post(
                channel,
                op("The channel of a consultation's call")
                    .about("For its participants, while it is not over.")
                    .ok(one::<Channel>)
                    .or(404)
                    .or(409),
            ),
        )
        .add(
            at("/agora/recording").post(
                recording,
                op("How a call is to be recorded")
                    .about("For the clinicians who hold the consultation, while it is not over.")
                    .ok(one::<Recording>)
                    .or(404)
                    .or(409),
            ),
        );
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgoraTokenRequest)]
struct AskToken {
    #[schema(schema_with = bounds::agora_channel)]
    channel_name: String,
    #[schema(schema_with = bounds::agora_uid)]
    uid: Option<u32>,
    #[schema(schema_with = bounds::agora_role)]
    role: Option<Role>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Role {
    Publisher,
    Subscriber,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgoraCredentials)]
struct Credentials {
    app_id: String,
    channel: String,
    token: String,
    uid: u32,
}

impl From<FallbackCredentials> for Credentials {
    fn from(made: FallbackCredentials) -> Self {
        Self {
            app_id: made.app_id,
            channel: made.channel,
            token: made.token,
            uid: made.uid,
        }
    }
}

/// Body: `{channelName, uid?, role?}`. 200 `{appId, channel, token, uid}`.
async fn token(parts: Parts, me: Me, body: Body<AskToken>) -> Answer {
    let provider = provider(&parts)?.clone();
    let (pass, channel) = in_channel(&parts, &me, &body.0.channel_name).await?;
    let uid = uid_of(me.id());
    if !matches!(body.0.uid, None | Some(0)) && body.0.uid != Some(uid) {
        return Err(forbidden("uid: it is somebody else's; leave it out").into());
    }
    if body.0.role == Some(Role::Publisher) && !pass.publishes {
        return Err(forbidden("role: an observer only subscribes").into());
    }
    let grant = FallbackGrant {
        channel,
        uid,
        publishes: pass.publishes && body.0.role != Some(Role::Subscriber),
        lasting: TOKEN_LASTS,
    };
    let made = provider.credentials(&grant, parts.node.clock().now());
    Ok(HttpResponse::Ok().json(Credentials::from(made)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgoraChannelRequest)]
struct AskChannel {
    consultation_id: SeedId,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgoraChannel)]
struct Channel {
    channel_name: String,
}

/// Body: `{consultationId}`. 200 `{channelName}`.
async fn channel(parts: Parts, me: Me, body: Body<AskChannel>) -> Answer {
    let id = body.0.consultation_id.consultation_id();
    let id = id.map_err(|_| CommandError::not_found("there is no such consultation"))?;
    let pass = parts.node.media_pass(&me.0, id).await?;
    let channel_name = channel_of(pass.consultation.consultation_id);
    Ok(HttpResponse::Ok().json(Channel { channel_name }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgoraRecordingRequest)]
struct AskRecording {
    #[schema(schema_with = bounds::agora_channel)]
    channel_name: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgoraRecording)]
struct Recording {
    channel: String,
    recording_config: RecordingConfig,
}

/// What Agora's recorder is told, under its own names: audio and video of everybody.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgoraRecordingConfig)]
struct RecordingConfig {
    /// Seconds without anybody until it ends.
    max_idle_time: u32,
    /// 2: audio and video.
    stream_types: u32,
    audio_profile: u32,
    video_stream_type: u32,
    channel_type: u32,
    subscribe_video_uids: Vec<String>,
    subscribe_audio_uids: Vec<String>,
    subscribe_uid_group: u32,
}

/// Body: `{channelName}`. 200 `{channel, recordingConfig}`.
async fn recording(parts: Parts, me: Me, body: Body<AskRecording>) -> Answer {
    let (pass, channel) = in_channel(&parts, &me, &body.0.channel_name).await?;
    if !pass.holds {
        return Err(forbidden("only a clinician in it may record a consultation").into());
    }
    Ok(HttpResponse::Ok().json(Recording {
        channel,
        recording_config: RecordingConfig {
            max_idle_time: 30,
            stream_types: 2,
            audio_profile: 1,
            video_stream_type: 0,
            channel_type: 0,
            subscribe_video_uids: Vec::new(),
            subscribe_audio_uids: Vec::new(),
            subscribe_uid_group: 0,
        },
    }))
}

/// What the caller may do in the call of this channel.
async fn in_channel(
    parts: &HttpParts,
    me: &Me,
    channel: &str,
) -> Result<(MediaPass, String), Problem> {
    let id = consultation_of(channel)
        .ok_or_else(|| CommandError::not_found("channelName: there is no such consultation"))?;
    let pass = parts.node.media_pass(&me.0, id).await?;
    Ok((pass, channel_of(id)))
}

fn provider(parts: &HttpParts) -> Result<&Arc<dyn FallbackProvider>, Problem> {
    let off = || {
        CommandError::new(
            ErrorCode::Unavailable,
            "Agora is off: AGORA_APP_ID and AGORA_APP_CERTIFICATE are not set on this server",
        )
    };
    Ok(parts.fallback.as_ref().ok_or_else(off)?)
}

fn forbidden(why: &'static str) -> Problem {
    CommandError::forbidden(why).into()
}
